package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
)

// crowd is many clients at once, each with its own people and groups.
type crowd struct {
	*book
	address  string // of the gateway
	upstream *faulty.Server
	seed     uint64
	share    float64 // of the requests that something goes wrong with
	pool     []string
	left     atomic.Int64 // requests that are still to be sent
	failed   atomic.Pointer[error]

	weights []draw
	total   int
}

// draw is a fault with its weight: one of the upstream or one of the client's own.
type draw struct {
	weight   int
	upstream *faulty.Fault
	own      *misbehaviour
}

func newCrowd(b *book, address string, u *faulty.Server, m *mass, pool []string) *crowd {
	c := &crowd{book: b, address: address, upstream: u, seed: m.seed, share: m.share, pool: pool}
	c.left.Store(int64(m.exchanges))
	for i := range faulty.Table {
		if f := &faulty.Table[i]; f.Weight > 0 && !slices.Contains(m.without, f.Name) {
			c.weights = append(c.weights, draw{weight: f.Weight, upstream: f})
		}
	}
	for i := range misbehaviours {
		c.weights = append(c.weights, draw{weight: misbehaviours[i].weight, own: &misbehaviours[i]})
	}
	for _, d := range c.weights {
		c.total += d.weight
	}
	return c
}

// run lets so many clients work until all requests are sent.
func (c *crowd) run(clients int) error {
	var all sync.WaitGroup
	for n := range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			one := &client{crowd: c, number: n, rng: rand.New(rand.NewPCG(c.seed, uint64(n)))}
			for c.left.Load() > 0 && c.failed.Load() == nil {
				if err := one.step(); err != nil {
					c.failed.CompareAndSwap(nil, &err)
				}
			}
			if one.conn != nil {
				one.conn.close()
			}
		}()
	}
	all.Wait()
	if err := c.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// client is one of them. It works alone but for races, which it runs itself.
type client struct {
	*crowd
	number int
	rng    *rand.Rand
	conn   *line
	users  []*person
	groups []*team
	things int // it has wanted so far
}

type person struct {
	id, name string
	active   bool
}

type team struct {
	id, name string
	members  map[string]bool
}

// step does one thing.
func (c *client) step() error {
	d := c.draw()
	if d != nil && d.own != nil && d.own.alone != nil {
		return d.own.alone(c)
	}
	return c.act(d)
}

// draw is a fault, or nil for none.
func (c *client) draw() *draw {
	if c.rng.Float64() >= c.share {
		return nil
	}
	at := c.rng.IntN(c.total)
	for i := range c.weights {
		if at -= c.weights[i].weight; at < 0 {
			return &c.weights[i]
		}
	}
	return nil
}

func (c *client) thing() string {
	c.things++
	return fmt.Sprintf("c%d-%d", c.number, c.things)
}

// perform asks for something as Okta does: after a 429 it waits for as long as it was
// told, then twice as long each time, and asks again. All else is final.
func (c *client) perform(o *operation, first *draw) (*request, error) {
	logical, wait := c.thing(), time.Duration(0)
	if o.attempts == 0 {
		o.attempts = 10
		if c.rng.IntN(12) == 0 { // an administrator who has switched the push off meanwhile
			o.attempts = 1
		}
	}
	for n, d := 1, first; ; n++ {
		r, err := c.attempt(o, logical, d)
		if err != nil {
			return nil, err
		}
		again := r.Status == 429 || r.Left && d != nil && d.own != nil && d.own.repeats && c.rng.IntN(2) == 0
		if !again || n == o.attempts {
			return r, nil
		}
		if r.Status == 429 {
			if wait *= 2; wait == 0 {
				wait = time.Duration(max(1, r.RetryAfter)) * hurried
			}
			time.Sleep(min(wait, time.Second))
		}
		if d = c.draw(); d != nil && d.own != nil && d.own.alone != nil {
			d = nil
		}
	}
}

// hurried is a second of Okta's patience here.
const hurried = 20 * time.Millisecond

// attempt sends one request, with a fault or without.
func (c *client) attempt(o *operation, logical string, d *draw) (*request, error) {
	r := c.request(o, logical)
	c.left.Add(-1)
	if d != nil && d.upstream != nil {
		c.upstream.Plan(r.Tag, faulty.Order{Fault: d.upstream, Skip: c.rng.IntN(o.calls), At: c.rng.IntN(1 << 20)})
		defer c.upstream.Forget(r.Tag)
	}
	if c.conn == nil || c.conn.over {
		var err error
		if c.conn, err = dial(c.book, c.address); err != nil {
			return nil, err
		}
	}
	if d != nil && d.own != nil {
		r.Fault = d.own.name
		d.own.with(c, r)
		return r, nil
	}
	if err := c.conn.send(r, r.text(), 1, 0); err != nil { // the gateway has closed it
		c.conn.close()
		return r, nil
	}
	c.conn.read(r)
	return r, nil
}

func (c *client) request(o *operation, logical string) *request {
	r := &request{}
	r.Tag, r.Logical, r.Client = c.tag(), logical, c.number
	r.Method, r.Path, r.Body, r.Wish = o.method, o.path, o.body, o.wish
	return r
}

// idOf is the id that an answer shows, "" if it shows none.
func idOf(r *request) string {
	var doc struct{ ID string }
	if !r.OK() || json.Unmarshal([]byte(r.Answer), &doc) != nil {
		return ""
	}
	return doc.ID
}
