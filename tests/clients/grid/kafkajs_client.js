// kafkajs in the grid; what it is told and what it prints stands in program.py. It has no static
// members and no consumer without a group.
const {Kafka, logLevel} = require('kafkajs');
const fs = require('node:fs');
const readline = require('node:readline');
const version = require('kafkajs/package.json').version;

const order = JSON.parse(process.argv[2]);
const topic = order.topics[0];
let flush, end;
const flushing = new Promise((resolve) => (flush = resolve));
const over = new Promise((resolve) => (end = resolve));
let flushed = false;

function say(e, fields) {
  process.stdout.write(`${JSON.stringify({t: Date.now(), e, ...fields})}\n`);
}

function listen() {
  const lines = readline.createInterface({input: process.stdin});
  lines.on('line', (line) => line.trim() === 'flush' && (flushed = true, flush()));
  lines.on('close', () => (flushed = true, flush(), end()));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One send at a time for each partition: kafkajs answers each by itself, and two under way to one
// partition might change places when they are tried again. What is due meanwhile goes together.
async function produce(kafka) {
  const producer = kafka.producer({idempotent: order.idempotent});
  await producer.connect();
  const due = Array.from({length: order.partitions}, () => []);
  const senders = due.map((_, partition) => drain(producer, partition, due));
  const began = Date.now();
  let n = 0;
  while (!flushed) {
    for (; (Date.now() - began) * order.rate / 1000 >= n; n++) due[n % order.partitions].push(n);
    await Promise.race([sleep(5), flushing]);
  }
  await Promise.all(senders);
  await producer.disconnect();
  say('flushed', {sent: n});
}

async function drain(producer, partition, due) {
  while (!flushed || due[partition].length) {
    const batch = due[partition].splice(0, 500);
    if (!batch.length) {
      await Promise.race([sleep(5), flushing]);
      continue;
    }
    const messages = batch.map((n) => (
      {partition, value: `${order.id}:${n}:${'x'.repeat(80)}`}));
    try {
      const [at] = await producer.send({topic, acks: -1, messages});
      batch.forEach((n, i) => say('acked', {n, p: partition, o: Number(at.baseOffset) + i}));
    } catch (error) {
      batch.forEach((n) => say('failed', {n, error: String(error)}));
    }
  }
}

async function consume(kafka, {name, group, commit}) {
  const consumer = kafka.consumer({groupId: group});
  const {GROUP_JOIN, REBALANCING, CRASH} = consumer.events;
  consumer.on(GROUP_JOIN, ({payload}) => say(
      'assigned', {c: name, p: payload.memberAssignment[topic] || []}));
  consumer.on(REBALANCING, () => say('revoked', {c: name, p: []}));
  consumer.on(CRASH, ({payload}) => {
    say('revoked', {c: name, p: []});
    say(payload.restart ? 'note' : 'error', {c: name, error: `crash: ${payload.error}`});
  });
  consumer.on(consumer.events.COMMIT_OFFSETS, () => say('committed', {c: name}));
  await consumer.connect();
  await consumer.subscribe({topic, fromBeginning: true});
  await consumer.run({
    autoCommit: commit === 'auto',
    eachBatchAutoResolve: false,
    eachBatch: async ({batch, resolveOffset, heartbeat, commitOffsetsIfNecessary}) => {
      for (const message of batch.messages) {
        say('read', {c: name, p: batch.partition, o: Number(message.offset),
          n: Number(message.value.toString().split(':')[1])});
        resolveOffset(message.offset);
      }
      await heartbeat();
      if (commit !== 'manual') return commitOffsetsIfNecessary();
      const offset = String(BigInt(batch.lastOffset()) + 1n);
      try {
        await consumer.commitOffsets([{topic, partition: batch.partition, offset}]);
      } catch (error) {
        say('commit_failed', {c: name, error: String(error)});
        throw error;  // as an application does: kafkajs rejoins by what it is thrown
      }
    },
  });
  await over;
  await consumer.disconnect();
}

function secured() {
  const {protocol, mechanism, user, password, token, ca, certificate, key} = order.security || {};
  if (!protocol) return {};
  const read = (file) => file && fs.readFileSync(file);
  const options = {ssl: {ca: [read(ca)], cert: read(certificate), key: read(key)}};
  if (mechanism === 'OAUTHBEARER') {
    options.sasl = {mechanism: 'oauthbearer', oauthBearerProvider: async () => ({value: token})};
  } else if (mechanism) {
    options.sasl = {mechanism: mechanism.toLowerCase(), username: user, password};
  }
  return options;
}

async function guarded(name, work) {
  try {
    await work;
  } catch (error) {
    say('error', {c: name, error: `ended by ${error}`});
  }
}

async function main() {
  listen();
  say('start', {version});
  const kafka = new Kafka({
    clientId: order.id, brokers: [order.bootstrap], logLevel: logLevel.NOTHING, ...secured()});
  await Promise.all([guarded('producer', produce(kafka)),
    ...order.consumers.map((spec) => guarded(spec.name, consume(kafka, spec)))]);
  say('end', {});
}

main().then(() => process.exit(0));
