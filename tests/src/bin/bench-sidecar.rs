//! The sidecar beside `vault agent`: the same secret of the same Vault, in the same run; and the sidecar
//! with AWS. It fails when the sidecar misses one of its goals.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use erpgo_test_kit::vault::{self, AppRole, TestVault};
use erpgo_test_kit::verdicts::{Goal, Verdicts};
use erpgo_test_kit::{kernel, moto, tools};
use erpgo_tests::sidecars::{self, PATH, Place, Running, Scratch};
use serde_json::json;

const ROUNDS: usize = 7;
const LIMIT: Duration = Duration::from_secs(30);
const AT_REST: Duration = Duration::from_secs(5);
// Of the sidecar, with Vault and with AWS.
const RENDER_MILLIS: Goal = Goal::Below(100.0);
const VAULT_MIB: Goal = Goal::AtMost(6.0);
const AWS_MIB: Goal = Goal::AtMost(12.0);

#[derive(Clone, Copy, Debug)]
struct Figures {
    first_render: Duration,
    rss_mib: f64,
}

impl Figures {
    fn render_millis(self) -> f64 {
        self.first_render.as_secs_f64() * 1000.0
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let sidecar = std::env::var_os("SIDECAR_BINARY")
        .context("SIDECAR_BINARY: the release of sidecar-secrets")?;
    let sidecar = Path::new(&sidecar);
    let text = sidecars::document(1)?.to_string();
    let vault = vault::server().await;
    vault.kv_put(PATH, &json!({"document": text})).await;
    vault.read_policy("bench", PATH).await;
    vault.enable_approle().await;
    let role = vault.approle("bench", &["bench"], "1h").await;
    let moto = moto::server().await;
    moto.put(PATH, &text).await;
    let (mut ours, mut theirs, mut aws) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(sidecar_round(sidecar, &Place::Vault(&vault, &role))?);
        theirs.push(agent_round(&vault, &role)?);
        aws.push(sidecar_round(sidecar, &Place::Aws(&moto))?);
    }
    let (ours, theirs, aws) = (median(ours), median(theirs), median(aws));
    println!("vault agent: {}", told(theirs));
    println!(
        "sidecar against vault agent: first render {:.2} of its time, memory {:.3} of its size (medians of {ROUNDS})",
        ours.first_render.as_secs_f64() / theirs.first_render.as_secs_f64(),
        ours.rss_mib / theirs.rss_mib
    );
    let mut verdicts = Verdicts::default();
    judge(&mut verdicts, "Vault", ours, VAULT_MIB);
    judge(&mut verdicts, "AWS (moto)", aws, AWS_MIB);
    verdicts.end()
}

fn judge(verdicts: &mut Verdicts, name: &str, figures: Figures, most: Goal) {
    let (millis, rss) = (figures.render_millis(), figures.rss_mib);
    let render = format!("sidecar with {name}: first render {millis:.1} ms after its start");
    println!("{}", verdicts.judge(&render, millis, RENDER_MILLIS));
    let memory = format!("sidecar with {name}: RSS at rest {rss:.1} MiB");
    println!("{}", verdicts.judge(&memory, rss, most));
}

fn told(figures: Figures) -> String {
    format!(
        "first render {:.1} ms after its start, RSS at rest {:.1} MiB",
        figures.render_millis(),
        figures.rss_mib
    )
}

fn median(mut all: Vec<Figures>) -> Figures {
    let middle = all.len() / 2;
    all.sort_by_key(|one| one.first_render);
    let first_render = all[middle].first_render;
    all.sort_by(|a, b| a.rss_mib.total_cmp(&b.rss_mib));
    Figures {
        first_render,
        rss_mib: all[middle].rss_mib,
    }
}

fn sidecar_round(program: &Path, place: &Place<'_>) -> Result<Figures> {
    let dir = Scratch::new()?;
    let command = sidecars::command(program, &dir, place, None)?;
    measure(command, &dir.secrets().join("manifest.json"))
}

fn agent_round(vault: &TestVault, role: &AppRole) -> Result<Figures> {
    let dir = Scratch::new()?;
    let target = dir.path().join("document.json");
    let config = format!(
        r#"
vault {{ address = "{}" }}
auto_auth {{ method "approle" {{ config = {{
  role_id_file_path = "{}", secret_id_file_path = "{}", remove_secret_id_file_after_reading = false }} }} }}
template {{ contents = "{{{{ with secret \"secret/data/{PATH}\" }}}}{{{{ .Data.data.document }}}}{{{{ end }}}}"
  destination = "{}" }}
"#,
        vault.url(),
        dir.file("role-id", &role.role_id)?.display(),
        dir.file("secret-id", &role.secret_id)?.display(),
        target.display()
    );
    let mut command = Command::new(tools::tool("vault")?);
    command
        .arg("agent")
        .arg("-config")
        .arg(dir.file("agent.hcl", &config)?);
    measure(command, &target)
}

fn measure(mut command: Command, rendered: &Path) -> Result<Figures> {
    let log = rendered.with_extension("log");
    let output = std::fs::File::create(log.with_file_name("output.log"))
        .or_else(|_| std::fs::File::create("/dev/null"))?;
    command
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(Stdio::from(output));
    let begun = Instant::now();
    let mut child = Running(command.spawn()?);
    while !rendered.exists() {
        ensure!(child.0.try_wait()?.is_none(), "{command:?} ended");
        ensure!(begun.elapsed() < LIMIT, "{command:?} rendered nothing");
        std::thread::sleep(Duration::from_micros(200));
    }
    let first_render = begun.elapsed();
    std::thread::sleep(AT_REST);
    Ok(Figures {
        first_render,
        rss_mib: kernel::rss_mib(child.0.id())?,
    })
}
