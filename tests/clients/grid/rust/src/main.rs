//! rskafka in the grid: a small client without groups and without idempotence. What it is told and
//! what it prints stands in ../program.py.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const VERSION: &str = "0.6.0";

/// What standard input has asked for.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Running,
    Flushing,
    Over,
}

struct Program {
    id: String,
    topic: String,
    partitions: i64,
    rate: f64,
    stage: watch::Receiver<Stage>,
    client: Client,
}

fn say(event: &str, mut fields: Value) {
    fields["t"] = json!(now_ms());
    fields["e"] = json!(event);
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{fields}");
    let _ = out.flush();
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as i64
}

fn number(value: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(value);
    text.split(':')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(-1)
}

async fn listen(stage: watch::Sender<Stage>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim() == "flush" {
            let _ = stage.send(Stage::Flushing);
        }
    }
    let _ = stage.send(Stage::Over);
}

impl Program {
    fn at(&self, stage: Stage) -> bool {
        *self.stage.borrow() >= stage
    }

    async fn partition(&self, partition: i64) -> Result<PartitionClient, Box<dyn Error>> {
        let handling = UnknownTopicHandling::Retry;
        Ok(self
            .client
            .partition_client(self.topic.clone(), partition as i32, handling)
            .await?)
    }

    fn record(&self, n: i64) -> Record {
        Record {
            key: None,
            value: Some(format!("{}:{n}:{}", self.id, "x".repeat(80)).into_bytes()),
            headers: BTreeMap::new(),
            timestamp: DateTime::from_timestamp_millis(now_ms()).unwrap_or_default(),
        }
    }

    /// Sends what is due of one partition, one request at a time, so that the order stays; returns
    /// how many records that were.
    async fn produce(&self, partition: i64, began: Instant) -> Result<i64, Box<dyn Error>> {
        let client = self.partition(partition).await?;
        let mut next = partition;
        while !self.at(Stage::Flushing) {
            let due = (began.elapsed().as_secs_f64() * self.rate) as i64;
            let batch: Vec<i64> = (next..=due).step_by(self.partitions as usize).collect();
            if batch.is_empty() {
                sleep(Duration::from_millis(5)).await;
                continue;
            }
            next = batch[batch.len() - 1] + self.partitions;
            let records = batch.iter().map(|n| self.record(*n)).collect();
            match client.produce(records, Compression::NoCompression).await {
                Ok(offsets) => {
                    for (n, offset) in batch.iter().zip(offsets) {
                        say("acked", json!({"n": n, "p": partition, "o": offset}));
                    }
                }
                Err(error) => {
                    for n in batch {
                        say("failed", json!({"n": n, "error": error.to_string()}));
                    }
                }
            }
        }
        Ok((next - partition) / self.partitions)
    }

    async fn consume(&self, name: &str, partition: i64) -> Result<(), Box<dyn Error>> {
        let client = self.partition(partition).await?;
        let mut next = 0;
        while !self.at(Stage::Over) {
            match client.fetch_records(next, 1..1_000_000, 500).await {
                Ok((records, _)) => {
                    for each in records {
                        if each.offset < next {
                            continue; // a batch is fetched from its beginning
                        }
                        let n = number(each.record.value.as_deref().unwrap_or_default());
                        let at = json!({"c": name, "p": partition, "o": each.offset, "n": n});
                        say("read", at);
                        next = each.offset + 1;
                    }
                }
                Err(error) => {
                    say("error", json!({"c": name, "error": error.to_string()}));
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        Ok(())
    }
}

async fn producer(program: Arc<Program>) {
    let began = Instant::now();
    let (mut sent, mut tasks) = (0, Vec::new());
    for partition in 0..program.partitions {
        let program = Arc::clone(&program);
        tasks.push(tokio::task::spawn_local(async move {
            program
                .produce(partition, began)
                .await
                .map_err(|error| error.to_string())
        }));
    }
    for task in tasks {
        match task.await {
            Ok(Ok(count)) => sent += count,
            failed => say(
                "error",
                json!({"c": "producer", "error": format!("{failed:?}")}),
            ),
        }
    }
    say("flushed", json!({"sent": sent}));
}

async fn consumer(program: Arc<Program>, name: String) {
    let mut tasks = Vec::new();
    for partition in 0..program.partitions {
        let (program, name) = (Arc::clone(&program), name.clone());
        tasks.push(tokio::task::spawn_local(async move {
            if let Err(error) = program.consume(&name, partition).await {
                say(
                    "error",
                    json!({"c": name, "error": format!("ended by {error}")}),
                );
            }
        }));
    }
    for task in tasks {
        let _ = task.await;
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let order: Value = serde_json::from_str(&std::env::args().nth(1).ok_or("no order")?)?;
    let (told, stage) = watch::channel(Stage::Running);
    tokio::task::spawn_local(listen(told));
    say("start", json!({"version": VERSION}));
    let text = |key: &str| order[key].as_str().unwrap_or_default().to_string();
    let program = Arc::new(Program {
        id: text("id"),
        topic: order["topics"][0].as_str().unwrap_or_default().to_string(),
        partitions: order["partitions"].as_i64().unwrap_or(1),
        rate: order["rate"].as_f64().unwrap_or(1.0),
        stage,
        client: ClientBuilder::new(vec![text("bootstrap")]).build().await?,
    });
    let mut tasks = vec![tokio::task::spawn_local(producer(Arc::clone(&program)))];
    for spec in order["consumers"].as_array().into_iter().flatten() {
        let name = spec["name"].as_str().unwrap_or_default().to_string();
        tasks.push(tokio::task::spawn_local(consumer(
            Arc::clone(&program),
            name,
        )));
    }
    let mut over = program.stage.clone();
    let _ = over.wait_for(|stage| *stage == Stage::Over).await;
    for task in tasks {
        let _ = timeout(Duration::from_secs(10), task).await;
    }
    say("end", json!({}));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = tokio::task::LocalSet::new().run_until(run()).await {
        say(
            "error",
            json!({"c": "producer", "error": format!("ended by {error}")}),
        );
    }
    std::process::exit(0); // the reader of standard input may still be waiting
}
