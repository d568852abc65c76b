// sarama in the grid; see ../program.
package main

import (
	"context"
	"sync"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"isthmus/grid/program"
)

var p *program.Program

func config() *sarama.Config {
	made := sarama.NewConfig()
	made.Version = sarama.V2_8_0_0
	if p.Security != nil {
		made.Net.TLS.Enable, made.Net.TLS.Config = true, p.Security.TLS()
		if p.Security.Mechanism != "" {
			logIn(made)
		}
	}
	return made
}

func logIn(made *sarama.Config) {
	sasl := &made.Net.SASL
	sasl.Enable, sasl.Mechanism = true, sarama.SASLMechanism(p.Security.Mechanism)
	sasl.User, sasl.Password = p.Security.User, p.Security.Password
	sasl.TokenProvider = token(p.Security.Token)
	hash := scram.SHA256
	if sasl.Mechanism == sarama.SASLTypeSCRAMSHA512 {
		hash = scram.SHA512
	}
	sasl.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{hash: hash} }
}

// token is a sarama.AccessTokenProvider.
type token string

func (t token) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: string(t)}, nil
}

// conversation is a sarama.SCRAMClient, which sarama leaves to its applications.
type conversation struct {
	*scram.ClientConversation
	hash scram.HashGeneratorFcn
}

func (c *conversation) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func produce() int {
	options := config()
	options.Producer.RequiredAcks = sarama.WaitForAll
	options.Producer.Partitioner = sarama.NewManualPartitioner
	options.Producer.Return.Successes = true
	if p.Idempotent {
		options.Producer.Idempotent = true
		options.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewAsyncProducer([]string{p.Bootstrap}, options)
	if err != nil {
		p.Failed("error", "producer", err)
		return 0
	}
	var heard sync.WaitGroup
	heard.Add(2)
	go func() {
		defer heard.Done()
		for at := range producer.Successes() {
			p.Acked(at.Metadata.(int), at.Partition, at.Offset)
		}
	}()
	go func() {
		defer heard.Done()
		for failed := range producer.Errors() {
			p.Lost(failed.Msg.Metadata.(int), failed.Err)
		}
	}()
	sent := p.Paced(func(n int) {
		producer.Input() <- &sarama.ProducerMessage{
			Topic: p.Topic, Partition: int32(n) % p.Partitions, Metadata: n,
			Value: sarama.ByteEncoder(p.Value(n)),
		}
	})
	producer.AsyncClose()
	heard.Wait()
	return sent
}

// member is a sarama.ConsumerGroupHandler.
type member struct {
	spec program.Consumer
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	p.Rebalanced("assigned", m.spec.Name, session.Claims()[p.Topic])
	return nil
}

func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	p.Rebalanced("revoked", m.spec.Name, session.Claims()[p.Topic])
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession,
	claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			p.Read(m.spec.Name, message.Partition, message.Offset, message.Value)
			session.MarkMessage(message, "")
			// A commit is a round trip: one for all that has arrived. Its failure comes by Errors().
			if m.spec.Commit == "manual" && len(claim.Messages()) == 0 {
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func consumeGroup(spec program.Consumer) {
	options := config()
	options.Consumer.Offsets.Initial = sarama.OffsetOldest
	options.Consumer.Offsets.AutoCommit.Enable = spec.Commit == "auto"
	options.Consumer.Group.InstanceId = spec.Instance
	options.Consumer.Return.Errors = true
	group, err := sarama.NewConsumerGroup([]string{p.Bootstrap}, spec.Group, options)
	if err != nil {
		p.Failed("error", spec.Name, err)
		return
	}
	go func() {
		for err := range group.Errors() {
			p.Failed("error", spec.Name, err)
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-p.Over
		cancel()
	}()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{p.Topic}, &member{spec}); err != nil {
			p.Failed("error", spec.Name, err)
		}
	}
	group.Close()
}

func consumeAlone(spec program.Consumer) {
	options := config()
	options.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer([]string{p.Bootstrap}, options)
	if err != nil {
		p.Failed("error", spec.Name, err)
		return
	}
	for partition := int32(0); partition < p.Partitions; partition++ {
		reader, err := consumer.ConsumePartition(p.Topic, partition, sarama.OffsetOldest)
		if err != nil {
			p.Failed("error", spec.Name, err)
			return
		}
		go func() {
			for err := range reader.Errors() {
				p.Failed("error", spec.Name, err)
			}
		}()
		go func() {
			for message := range reader.Messages() {
				p.Read(spec.Name, message.Partition, message.Offset, message.Value)
			}
		}()
	}
	<-p.Over
	consumer.Close()
}

func consume(spec program.Consumer) {
	if spec.Group == "" {
		consumeAlone(spec)
	} else {
		consumeGroup(spec)
	}
}

func main() {
	p = program.New("github.com/IBM/sarama")
	p.Run(produce, consume)
}
