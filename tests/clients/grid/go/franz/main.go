// franz-go in the grid; see ../program.
package main

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"isthmus/grid/program"
)

var p *program.Program

func mechanism(s *program.Security) sasl.Mechanism {
	switch s.Mechanism {
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism()
	case "OAUTHBEARER":
		return oauth.Auth{Token: s.Token}.AsMechanism()
	}
	panic("no mechanism " + s.Mechanism)
}

func client(more ...kgo.Opt) *kgo.Client {
	options := append([]kgo.Opt{kgo.SeedBrokers(p.Bootstrap)}, more...)
	if p.Security != nil {
		options = append(options, kgo.DialTLSConfig(p.Security.TLS()))
		if p.Security.Mechanism != "" {
			options = append(options, kgo.SASL(mechanism(p.Security)))
		}
	}
	made, err := kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	return made
}

func produce() int {
	options := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if !p.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	producer := client(options...)
	defer producer.Close()
	sent := p.Paced(func(n int) {
		record := &kgo.Record{Topic: p.Topic, Partition: int32(n) % p.Partitions, Value: p.Value(n)}
		producer.Produce(context.Background(), record, func(at *kgo.Record, err error) {
			if err != nil {
				p.Lost(n, err)
			} else {
				p.Acked(n, at.Partition, at.Offset)
			}
		})
	})
	producer.Flush(context.Background())
	return sent
}

func heard(event, consumer string) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		// A member that keeps what it has is told nothing by others; here, of nothing.
		if len(partitions) > 0 {
			p.Rebalanced(event, consumer, partitions[p.Topic])
		}
	}
}

func consumer(spec program.Consumer) *kgo.Client {
	first := kgo.NewOffset().AtStart()
	if spec.Group == "" {
		places := map[int32]kgo.Offset{}
		for partition := int32(0); partition < p.Partitions; partition++ {
			places[partition] = first
		}
		return client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{p.Topic: places}))
	}
	options := []kgo.Opt{
		kgo.ConsumerGroup(spec.Group), kgo.ConsumeTopics(p.Topic), kgo.ConsumeResetOffset(first),
		kgo.OnPartitionsAssigned(heard("assigned", spec.Name)),
		kgo.OnPartitionsRevoked(heard("revoked", spec.Name)),
		kgo.OnPartitionsLost(heard("revoked", spec.Name)),
	}
	if spec.Instance != "" {
		options = append(options, kgo.InstanceID(spec.Instance))
	}
	if spec.Commit == "manual" {
		options = append(options, kgo.DisableAutoCommit())
	}
	return client(options...)
}

func consume(spec program.Consumer) {
	reader := consumer(spec)
	defer reader.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-p.Over
		cancel()
	}()
	for ctx.Err() == nil {
		fetches := reader.PollFetches(ctx)
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.Canceled) {
				p.Failed("error", spec.Name, err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			p.Read(spec.Name, r.Partition, r.Offset, r.Value)
		})
		if spec.Commit != "manual" || fetches.NumRecords() == 0 {
			continue
		}
		if err := reader.CommitUncommittedOffsets(context.Background()); err != nil {
			p.Failed("commit_failed", spec.Name, err)
		} else {
			p.Say("committed", program.Fields{"c": spec.Name})
		}
	}
}

func main() {
	p = program.New("github.com/twmb/franz-go")
	p.Run(produce, consume)
}
