//! The floor: every byte of a snapshot read once, every number of it parsed and kept.

use std::fs::File;
use std::io::Read;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).expect("a snapshot");
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 256 << 10];
    let (mut numbers, mut number, mut digits) = (Vec::new(), 0u32, false);
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        for byte in &chunk[..length] {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                number = number.wrapping_mul(10).wrapping_add(u32::from(digit));
                digits = true;
            } else if digits {
                numbers.push(number);
                (number, digits) = (0, false);
            }
        }
    }
    println!("{}", numbers.len());
    Ok(())
}
