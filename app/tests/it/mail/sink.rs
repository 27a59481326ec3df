//! A mail server for the tests: real SMTP on loopback, and what it does with a mail is told to it.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the mails that are handed in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// 451 after DATA.
    NotNow,
    /// 550 for the recipient.
    Never,
    /// Says nothing after the greeting.
    Hangs,
    /// Takes a mail only once it is in another mood.
    Holds,
}

struct Shared {
    mood: Mutex<Mood>,
    mails: Mutex<Vec<String>>,
    commands: Mutex<Vec<String>>,
}

pub struct Sink {
    pub port: u16,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sink {
    pub async fn new(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            mood: Mutex::new(mood),
            mails: Mutex::default(),
            commands: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&accepting)));
            }
        });
        Self { port, shared, task }
    }

    pub fn becomes(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    pub fn mails(&self) -> Vec<String> {
        self.shared.mails.lock().unwrap().clone()
    }

    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    /// Waits for the mail number `count`, and gives it.
    pub async fn mail(&self, count: usize) -> String {
        crate::world::until("the mail arrives", || async { self.mails().len() >= count }).await;
        self.mails()[count - 1].clone()
    }
}

/// The code in a mail: the last line of 43 letters.
pub fn code(mail: &str) -> String {
    let is_code = |line: &&str| line.len() == 43 && line.chars().all(char::is_alphanumeric);
    mail.lines()
        .rfind(is_code)
        .unwrap_or_else(|| panic!("no code in {mail}"))
        .to_owned()
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mood = *shared.mood.lock().unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let _ = write.write_all(b"220 sink\r\n").await;
    if mood == Mood::Hangs {
        std::future::pending::<()>().await;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        shared.commands.lock().unwrap().push(line.clone());
        let verb = line.split(' ').next().unwrap_or_default().to_uppercase();
        let answer = match &*verb {
            "EHLO" => "250-sink\r\n250 AUTH PLAIN\r\n",
            "AUTH" => "235 welcome\r\n",
            "RCPT" if mood == Mood::Never => "550 nobody of this name\r\n",
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if verb == "DATA" {
            let mut mail = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if line == "." {
                    break;
                }
                mail.push_str(&line);
                mail.push('\n');
            }
            if mood == Mood::Holds {
                crate::world::until("the mail is taken", || async {
                    *shared.mood.lock().unwrap() != Mood::Holds
                })
                .await;
            }
            let answer: &[u8] = if mood == Mood::NotNow {
                b"451 not now\r\n"
            } else {
                shared.mails.lock().unwrap().push(mail);
                b"250 taken\r\n"
            };
            let _ = write.write_all(answer).await;
        }
    }
}

/// What a client said by AUTH PLAIN.
pub fn auth(commands: &[String]) -> Option<String> {
    let line = commands
        .iter()
        .find(|line| line.starts_with("AUTH PLAIN "))?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(&line[11..])
        .unwrap();
    Some(String::from_utf8(bytes).unwrap().replace('\0', "|"))
}
