//! `test-services up|down|status`: the shared services of this checkout, by hand.

#![expect(clippy::print_stdout, reason = "the lines are this program's output")]

use anyhow::bail;
use erpgo_test_kit::services;

fn main() -> anyhow::Result<()> {
    let lines = match std::env::args().nth(1).as_deref() {
        Some("up") => services::up()?,
        Some("down") => {
            services::down().map(|()| vec!["all test services are stopped".to_owned()])?
        }
        Some("status") => services::status()?,
        _ => bail!("usage: test-services up|down|status"),
    };
    for line in lines {
        println!("{line}");
    }
    Ok(())
}
