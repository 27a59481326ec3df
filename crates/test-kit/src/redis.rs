//! A Redis server of one's own: no persistence of data, a password, killed on drop.
//!
//! Starting one takes a few ten milliseconds, so nothing is shared between tests.

use crate::private::Private;
use crate::{fail, port, wait};
use anyhow::{Context, bail};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(20);
const MISSING: &str =
    "redis-server was not found on the PATH; install it: apt-get install postgresql redis-server";

/// A running (or stopped) Redis server.
#[derive(Debug)]
pub struct TestRedis {
    private: Private,
    port: u16,
    password: String,
    keeps_users: bool,
}

/// Starts a Redis server on a free loopback port.
pub async fn server() -> TestRedis {
    fail::unless(fail::blocking(|| TestRedis::launch(false)).await)
}

/// Starts one that keeps its users in a file: those that were saved are there after a restart.
pub async fn server_with_acl_file() -> TestRedis {
    fail::unless(fail::blocking(|| TestRedis::launch(true)).await)
}

impl TestRedis {
    /// The URL with the password, database 0.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/0", self.password, self.port)
    }

    /// Where it listens, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The password of the default user.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Removes the file in which users are kept, with its directory: none can be saved any more.
    pub fn remove_acl_file(&self) {
        let removed = std::fs::remove_dir_all(self.acl_dir());
        fail::unless(removed.context("removing the file of users"));
    }

    /// Stops the server; its data is lost, and connections to it are refused from now on.
    pub fn stop(&mut self) {
        fail::unless(self.private.stop(Signal::KILL));
    }

    /// Starts the stopped server again, empty, on the same port and with the same password.
    pub fn start(&mut self) {
        fail::unless(self.run());
    }

    /// Freezes the server: connections stay open, and nothing answers.
    pub fn pause(&self) {
        fail::unless(self.private.signal(Signal::STOP));
    }

    /// Wakes a frozen server.
    pub fn resume(&self) {
        fail::unless(self.private.signal(Signal::CONT));
    }

    fn launch(keeps_users: bool) -> anyhow::Result<Self> {
        let password = uuid::Uuid::new_v4().simple().to_string();
        let mut redis = Self {
            private: Private::new("redis")?,
            port: 0,
            password,
            keeps_users,
        };
        port::retry(|| {
            redis.port = port::free()?;
            redis.run()
        })?;
        Ok(redis)
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let config = self.write_config()?;
        let mut command = Command::new(program()?);
        command.arg(config);
        self.private.spawn(command)?;
        let log = self.private.log().to_owned();
        wait::until("starting Redis", START, &log, || {
            self.private.still_running()?;
            Ok(self.ping().ok())
        })
    }

    fn write_config(&self) -> anyhow::Result<PathBuf> {
        let path = self.private.dir().join("redis.conf");
        let users = self.write_users()?;
        let text = format!(
            "bind 127.0.0.1\nport {}\n{users}\ndir {}\nsave \"\"\nappendonly no\ndatabases 16\n\
             maxmemory 128mb\nlogfile \"\"\ndaemonize no\n",
            self.port,
            self.private.dir().display(),
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn acl_dir(&self) -> PathBuf {
        self.private.dir().join("users")
    }

    // Redis looks at `requirepass` only where there is no file of users.
    fn write_users(&self) -> anyhow::Result<String> {
        if !self.keeps_users {
            return Ok(format!("requirepass {}", self.password));
        }
        let file = self.acl_dir().join("users.acl");
        if !file.exists() {
            std::fs::create_dir_all(self.acl_dir())?;
            let default = format!("user default on >{} ~* &* +@all\n", self.password);
            std::fs::write(&file, default)?;
        }
        Ok(format!("aclfile {}", file.display()))
    }

    fn ping(&self) -> anyhow::Result<()> {
        let stream = TcpStream::connect_timeout(&self.address(), Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        (&stream).write_all(format!("AUTH {}\r\nPING\r\n", self.password).as_bytes())?;
        let mut replies = BufReader::new(&stream).lines();
        for expected in ["+OK", "+PONG"] {
            let reply = replies.next().context("the connection was closed")??;
            if reply != expected {
                bail!("answered {reply} instead of {expected}");
            }
        }
        Ok(())
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new("/usr/bin").to_owned()])
        .map(|dir| dir.join("redis-server"))
        .find(|program| program.is_file())
        .context(MISSING)
}
