use std::cell::RefCell;
use std::time::Instant;

use super::*;

#[test]
fn timing() {
    let scale = std::env::var("SCALE").ok().and_then(|s| s.parse().ok()).unwrap_or(0.01);
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let heard = RefCell::new(0);
    let world = World { scale, ..World::default() };
    let made = generate(&world, &folder.path().join("sources"), &|_| *heard.borrow_mut() += 1).unwrap();
    for s in made {
        println!("{} {} {}", s.name, s.rows, s.bytes);
    }
    println!("{:?} {}", started.elapsed(), heard.borrow());
}
