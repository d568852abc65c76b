// Package program is what the Go clients of the grid share: their orders, their events, their end.
// What an order and an event hold stands in ../../program.py.
package program

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

type Consumer struct {
	Name, Group, Instance, Commit string
}

type Security struct {
	Protocol, Mechanism, User, Password, Token string
	CA, Certificate, Key                       string // PEM files
}

type Order struct {
	Bootstrap  string
	ID         string
	Topics     []string
	Partitions int32
	Rate       float64
	Idempotent bool
	Consumers  []Consumer
	Security   *Security
}

type Fields map[string]interface{}

type Program struct {
	Order
	Topic    string
	Flushing chan struct{} // closed when the producer is to flush
	Over     chan struct{} // closed when everything is to end
	lock     sync.Mutex
}

// New reads the order and says which version of the module is linked.
func New(module string) *Program {
	p := &Program{Flushing: make(chan struct{}), Over: make(chan struct{})}
	if err := json.Unmarshal([]byte(os.Args[1]), &p.Order); err != nil {
		panic(err)
	}
	p.Topic = p.Topics[0]
	p.Say("start", Fields{"version": version(module)})
	go p.listen()
	return p
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, each := range info.Deps {
		if each.Path == module {
			return strings.TrimPrefix(each.Version, "v")
		}
	}
	return "?"
}

// TLS trusts the authority, and shows a certificate where there is one.
func (s *Security) TLS() *tls.Config {
	authority, err := os.ReadFile(s.CA)
	if err != nil {
		panic(err)
	}
	made := &tls.Config{RootCAs: x509.NewCertPool()}
	made.RootCAs.AppendCertsFromPEM(authority)
	if s.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(s.Certificate, s.Key)
		if err != nil {
			panic(err)
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made
}

func (p *Program) listen() {
	var once sync.Once
	flush := func() { once.Do(func() { close(p.Flushing) }) }
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "flush" {
			flush()
		}
	}
	flush()
	close(p.Over)
}

func (p *Program) Say(event string, fields Fields) {
	if fields == nil {
		fields = Fields{}
	}
	fields["e"], fields["t"] = event, float64(time.Now().UnixMicro())/1000
	line, _ := json.Marshal(fields)
	p.lock.Lock()
	defer p.lock.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

func (p *Program) Failed(event, consumer string, err error) {
	p.Say(event, Fields{"c": consumer, "error": err.Error()})
}

func (p *Program) Value(n int) []byte {
	return []byte(fmt.Sprintf("%s:%d:%s", p.ID, n, strings.Repeat("x", 80)))
}

func (p *Program) Acked(n int, partition int32, offset int64) {
	p.Say("acked", Fields{"n": n, "p": partition, "o": offset})
}

func (p *Program) Lost(n int, err error) {
	p.Say("failed", Fields{"n": n, "error": err.Error()})
}

func (p *Program) Read(consumer string, partition int32, offset int64, value []byte) {
	n, _ := strconv.Atoi(strings.Split(string(value), ":")[1])
	p.Say("read", Fields{"c": consumer, "p": partition, "o": offset, "n": n})
}

func (p *Program) Rebalanced(event, consumer string, partitions []int32) {
	if partitions == nil {
		partitions = []int32{}
	}
	p.Say(event, Fields{"c": consumer, "p": partitions})
}

// Paced calls send with the number of each record when it is due, and returns how many there were.
func (p *Program) Paced(send func(n int)) int {
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(float64(n) / p.Rate * 1e9))
		select {
		case <-p.Flushing:
			return n
		case <-time.After(time.Until(due)):
			send(n)
		}
	}
}

// Run runs the producer, which returns how many records it sent, and the consumers side by side.
func (p *Program) Run(produce func() int, consume func(Consumer)) {
	var running sync.WaitGroup
	running.Add(1 + len(p.Consumers))
	go func() {
		defer running.Done()
		p.Say("flushed", Fields{"sent": produce()})
	}()
	for _, each := range p.Consumers {
		go func(each Consumer) {
			defer running.Done()
			consume(each)
		}(each)
	}
	running.Wait()
	p.Say("end", nil)
}
