//! Writes an access log in the combined format, with keys as popular as in Zipf's law, over a day: to see how fast
//! `larder plan` is.
//!
//! `cargo run --release -p larder-cli --example write_log -- 10000000 1000000 > access.log`

use std::io::{BufWriter, Write as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let lines: u64 = arguments.next().as_deref().unwrap_or("1000000").parse()?;
    let keys: u32 = arguments.next().as_deref().unwrap_or("100000").parse()?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for number in 0..lines {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let rank = rank(random, f64::from(keys));
        let second = number * 86_400 / lines;
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        writeln!(
            out,
            "10.0.{}.{} - - [01/Aug/2025:{hours:02}:{minutes:02}:{seconds:02} +0000] \"GET /search?q={rank:x}&page={} HTTP/1.1\" 200 {} \
             \"https://shop.example/\" \"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\"",
            random & 255,
            random >> 8 & 255,
            rank % 7,
            200 + rank.wrapping_mul(2_654_435_761) % 20_000
        )?;
    }
    out.flush()?;
    Ok(())
}

/// The rank of a key, from 1: of a bounded Pareto distribution, the inverse of the sum, with an exponent of 0.9.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a random number"
)]
fn rank(random: u64, keys: f64) -> u64 {
    let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
    ((keys.powf(0.1) - 1.0).mul_add(share, 1.0)).powf(10.0) as u64
}
