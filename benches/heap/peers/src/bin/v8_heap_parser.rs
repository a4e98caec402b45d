//! v8-heap-parser, as VS Code's viewer uses it: load, dominators, retained sizes.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("a snapshot")?;
    let graph = v8_heap_parser::decode_slice(&std::fs::read(path)?)?;
    println!("{}", graph.retained_size(0));
    Ok(())
}
