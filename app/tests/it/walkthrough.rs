//! The guides are what they say: every command of the walk is run, in its order, and each answer on the way is
//! held against the document.

mod way;

use std::time::Duration;

use erpgo_test_kit::guide;

use crate::program::{QUICK, served};
use crate::world::{ADMIN, PASSWORD};

const GUIDE: &str = include_str!("../../../docs/guides/walkthrough.md");
const LIMIT: Duration = Duration::from_secs(60);
/// The walk asks more often than that.
const COMMANDS: usize = 17;

#[tokio::test]
async fn the_walk_goes_from_the_first_sign_in_to_the_export_and_the_end() {
    let database = crate::world::database().await;
    let program = served(&database, QUICK).await;
    let way = way::to(program.api).await;
    let api = format!("http://{}", way.address);
    let variables = [
        ("API", &*api),
        ("ADMIN_EMAIL", ADMIN),
        ("ADMIN_PASSWORD", PASSWORD),
    ];
    let told = guide::run(GUIDE, &variables, LIMIT).await.unwrap();
    assert!(told.ends_with("walked to the end\n"), "{told}");
    for expected in [
        "\"FORBIDDEN\"",
        "\"price\": \"39.90\"",
        "\"action\": \"auth.signed_in\"",
        "\"first_name\": \"Erased\"",
    ] {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
    let (count, faults) = way.judged();
    assert_eq!(faults, Vec::<String>::new());
    assert!(count >= COMMANDS, "{count} answers");
}

/// The table of codes in the guide knows every code that there is.
#[test]
fn r13_4_the_guide_names_every_code() {
    let guide = include_str!("../../../docs/guides/api.md");
    for code in erpgo::error::Code::ALL {
        let text = code.as_str();
        let family = text.starts_with("DUPLICATE_") && guide.contains("`DUPLICATE_…`");
        assert!(family || guide.contains(&format!("`{text}`")), "{text}");
    }
}
