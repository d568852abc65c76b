// kafkajs: admin calls, a producer with headers and gzip, a group that resumes at the next record.
//
//   NODE_PATH=... node kafkajs.js BOOTSTRAP PREFIX
const assert = require('node:assert');
const {Kafka, logLevel, CompressionTypes} = require('kafkajs');

const [bootstrap, prefix] = process.argv.slice(2);
const topic = `${prefix}-topic`;
const groupId = `${prefix}-group`;
const records = 1000;

async function create(admin) {
  assert.equal(await admin.createTopics({
    topics: [{topic, numPartitions: 3, configEntries: [{name: 'retention.ms', value: '86400000'}]}],
  }), true);
  assert.equal(await admin.createTopics({topics: [{topic, numPartitions: 3}]}), false);
  await admin.createPartitions({topicPartitions: [{topic, count: 4}]});
  assert((await admin.listTopics()).includes(topic));
  const {resources} = await admin.describeConfigs(
      {includeSynonyms: false, resources: [{type: 2, name: topic, configNames: ['retention.ms']}]});
  assert.equal(resources[0].configEntries[0].configValue, '86400000');
}

async function produce(kafka, first) {
  const producer = kafka.producer({idempotent: true});
  await producer.connect();
  for (let at = first; at < first + records; at += 100) {
    await producer.send({
      topic,
      acks: -1,
      compression: CompressionTypes.GZIP,
      messages: Array.from({length: 100}, (_, i) => (
        {key: `${(at + i) % 10}`, value: `${at + i}`, headers: {n: `${at + i}`}})),
    });
  }
  await producer.disconnect();
}

async function consume(kafka, first) {
  const consumer = kafka.consumer({groupId, sessionTimeout: 10000});
  await consumer.connect();
  await consumer.subscribe({topic, fromBeginning: true});
  const read = [];
  await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${read.length} read from ${first}`)), 40000);
    consumer.run({eachMessage: async ({message}) => {
      assert.equal(message.headers.n.toString(), message.value.toString());
      read.push(Number(message.value));
      if (read.length === records) {
        clearTimeout(late);
        setTimeout(resolve, 300);  // one more would be one too many: give it time to show
      }
    }}).catch(reject);
  });
  await consumer.disconnect();
  read.sort((a, b) => a - b);
  assert.deepEqual(read, Array.from({length: records}, (_, i) => first + i));
}

async function inspect(admin) {
  const committed = (await admin.fetchOffsets({groupId, topics: [topic]}))[0].partitions;
  const sum = (list, name) => list.reduce((total, each) => total + Number(each[name]), 0);
  assert.equal(sum(committed.filter((each) => each.offset !== '-1'), 'offset'), 2 * records);
  const ends = await admin.fetchTopicOffsets(topic);
  assert.equal(ends.length, 4);
  assert.equal(sum(ends, 'high'), 2 * records);
  assert((await admin.fetchTopicOffsetsByTimestamp(topic, 1)).every((each) => each.offset <= 0 ||
      ends.find((end) => end.partition === each.partition).high === each.offset));
  assert((await admin.listGroups()).groups.some((group) => group.groupId === groupId));
  assert.equal((await admin.describeGroups([groupId])).groups[0].state, 'Empty');
}

async function remove(admin) {
  await admin.deleteTopicRecords({topic, partitions: [{partition: 0, offset: '1'}]});
  await admin.deleteGroups([groupId]);
  await admin.deleteTopics({topics: [topic]});
}

async function main() {
  const kafka = new Kafka({clientId: prefix, brokers: [bootstrap], logLevel: logLevel.ERROR});
  const admin = kafka.admin();
  await admin.connect();
  await create(admin);
  for (const first of [0, records]) {
    await produce(kafka, first);
    await consume(kafka, first);
  }
  await inspect(admin);
  await remove(admin);
  await admin.disconnect();
  console.log('kafkajs: admin, idempotent producer, group, offsets hold');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
