//! The first words on a connection: a conversation in lines, each answered before the next.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{failure::Failure, stream::Stream};

/// A conversation.
#[derive(Debug)]
pub struct Talk<'a> {
    stream: &'a mut Stream,
    heard: BytesMut,
    /// Why not everything could be said. The server may have said why it hung up, and that is heard first.
    unsaid: Option<std::io::Error>,
}

impl<'a> Talk<'a> {
    /// Begins one.
    pub fn new(stream: &'a mut Stream) -> Self {
        Self { stream, heard: BytesMut::new(), unsaid: None }
    }

    /// Says something.
    pub async fn say(&mut self, words: &[u8]) {
        let said = async {
            self.stream.write_all(words).await?;
            self.stream.flush().await
        };
        if let Err(why) = said.await {
            self.unsaid = Some(why);
        }
    }

    /// The next line without its end; no longer than this, in bytes. What is not UTF-8 in it is replaced.
    ///
    /// # Errors
    /// The server hangs up, or says more than that.
    pub async fn line(&mut self, longest: usize) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line = self.heard.split_to(end + 1);
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.heard.len() >= longest {
                return Err(Failure::protocol(
                    "the server sent more than a reply can have before the connection is open",
                ));
            }
            self.more().await?;
        }
    }

    /// The next so many bytes, as they are.
    ///
    /// # Errors
    /// The server hangs up.
    pub async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.heard.len() < count {
            self.more().await?;
        }
        Ok(self.heard.split_to(count).to_vec())
    }

    async fn more(&mut self) -> Result<(), Failure> {
        self.heard.reserve(4096);
        let why = match self.stream.read_buf(&mut self.heard).await {
            Ok(0) => self.unsaid.take().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(why) => self.unsaid.take().unwrap_or(why),
        };
        Err(Failure::unavailable(format!("the server accepted the connection and closed it: {why}")))
    }

    /// Checks that the server has said nothing that was not asked: it would be taken for the first reply.
    ///
    /// # Errors
    /// It has.
    pub fn end(self) -> Result<(), Failure> {
        if self.heard.is_empty() {
            return Ok(());
        }
        Err(Failure::protocol("the server sent a reply that no request was waiting for"))
    }
}
