package proxy

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/proxy/room"
	"github.com/scimgate/scimgate/rules/scim"
)

// Bounds of the changes of groups that go on without their client.
const (
	longest     = 10 * time.Minute // that one may take in all
	maxJobs     = 64               // under way at once; others end with their client's patience
	maxJobBytes = 32 << 20         // of their documents together; likewise
	keptFor     = 10 * time.Minute // an answer that nobody waited for
	maxKept     = 64
	maxKeptBody = 256 << 10 // of such an answer; a repeat of a larger one finds nothing to do
	comeBack    = 10 * time.Second
)

// job is a change of a group under way. It goes on when its client was told to come
// back, and the client's repeat joins it: a group of thousands takes minutes at the
// rate that AWS allows, and Okta waits one.
type job struct {
	ended chan struct{} // closed when x and reply may be read
	about string        // the resource that it changes
	made  string        // and that it has made, when it has ended; "" if none
	takes room.Ask      // of the room for documents
	x     *Exchange
	reply *Reply
	at    time.Time // of the end
}

// jobs are those under way, and the answers that nobody waited for, by what was asked.
type jobs struct {
	mu      sync.Mutex // guards following
	under   map[string]*job
	waiters map[*job]int
	kept    map[string]*job
	all     sync.WaitGroup

	places, documents *room.Room // of those under way, also of those that nobody can join any more
}

func newJobs(how room.Manner) *jobs {
	return &jobs{
		under: map[string]*job{}, waiters: map[*job]int{}, kept: map[string]*job{},
		places: room.New(maxJobs, 0, how), documents: room.New(maxJobBytes, 0, how),
	}
}

// long tells whether an exchange may take longer than its client waits.
func (x *Exchange) long() bool {
	return x.Target.Operation.Is(scim.CreateGroup|scim.ReplaceGroup|scim.PatchGroup) && !x.policy.Observe && !x.policy.Plain
}

// detached is a copy of the exchange that may outlive its handler.
func (x *Exchange) detached() *Exchange {
	y := *x
	y.Deadline, y.places, y.kept, y.conn = x.Began.Add(longest), 0, 0, nil
	y.RawTarget, y.Token, y.presented = bytes.Clone(x.RawTarget), bytes.Clone(x.Token), bytes.Clone(x.presented)
	y.Document = bytes.Clone(x.Document)
	y.Body, y.Verdict.Document = y.Document, y.Document
	y.Findings = slices.Clone(x.Findings)
	return &y
}

// performLong carries out a change of a group in a goroutine of its own, or joins the
// one that does, and waits for it as long as the client does.
func (g *Gateway) performLong(x *Exchange) *Reply {
	if err := g.mayCall(x, true); err != nil { // nor may it tell what it has done before
		return g.failed(x, err)
	}
	about := x.tenant.url + " " + x.laneKey()
	key := strconv.FormatUint(x.epoch, 10) + " " + x.tenant.name + " " + x.Target.Operation.String() + " " + x.Target.Resource() + " " + x.actor + " " + g.journal.Digest(x.Document)
	g.jobs.supersede(about, key)
	j := g.jobs.join(key)
	if j == nil {
		if j = g.jobs.start(key, about, x.ask(int64(len(x.Document)), false)); j == nil {
			return g.carryOut(x)
		}
		y := x.detached()
		go func() {
			defer g.jobs.all.Done()
			reply := g.contained(y, func() *Reply { return g.carryOut(y) })
			y.leave()
			if alone := g.jobs.end(key, j, y, reply); alone {
				g.log.Info().Str("exchange", y.ID).Str("resource", y.Target.Resource()).Int("status", reply.Status).Int("calls", y.Calls).
					Msg("a change that its client did not wait for has ended")
			}
		}()
	}
	patience := time.NewTimer(time.Until(x.Deadline))
	defer patience.Stop()
	select {
	case <-j.ended:
		g.jobs.leave(key, j)
		x.Calls, x.waited, x.lastAWS, x.stray = j.x.Calls, j.x.waited, j.x.lastAWS, j.x.stray
		x.doubt, x.wrote, x.vital = j.x.doubt, j.x.wrote, j.x.vital
		x.Findings = slices.Clone(j.x.Findings)
		reply := *j.reply
		return &reply
	case <-patience.C:
		if g.jobs.leave(key, j); x.Calls == 0 {
			x.Calls = 1 // its answer is to be durable: something may have been written
		}
		x.vital = true // on a full disk, nothing but a removal has come so far
		return x.again(comeBack, "This change of a group is still being carried out within AWS's rate limits, and goes on.", nil)
	}
}

// supersede takes those out that another change of the same resource comes behind: whoever
// asks for the same again means it to be done again.
func (js *jobs) supersede(about, key string) {
	js.mu.Lock()
	defer js.mu.Unlock()
	for _, list := range [...]map[string]*job{js.under, js.kept} {
		maps.DeleteFunc(list, func(k string, j *job) bool { return k != key && (j.about == about || j.made == about) })
	}
}

// forget drops the answers that nobody waited for.
func (js *jobs) forget() {
	js.mu.Lock()
	defer js.mu.Unlock()
	clear(js.kept)
}

// join finds a job, and makes the caller one of those who wait for it.
func (js *jobs) join(key string) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	if j := js.under[key]; j != nil {
		js.waiters[j]++
		return j
	}
	j := js.kept[key]
	delete(js.kept, key) // the next one like it is another request
	if j != nil && time.Since(j.at) > keptFor {
		return nil
	}
	return j
}

// start begins a job with its caller waiting, which takes so much room for its document;
// nil if there are too many, or too large ones.
func (js *jobs) start(key, about string, takes room.Ask) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	if !js.places.Take(takes.One(), time.Time{}) {
		return nil
	}
	if !js.documents.Take(takes, time.Time{}) {
		js.places.Give(takes.One())
		return nil
	}
	j := &job{ended: make(chan struct{}), about: about, takes: takes}
	js.under[key] = j
	js.waiters[j] = 1
	js.all.Add(1)
	return j
}

// end tells those who wait. If nobody does and it has worked, the answer is kept for
// the client's repeat; a failure isn't, so that the repeat tries again.
func (js *jobs) end(key string, j *job, x *Exchange, reply *Reply) (alone bool) {
	js.mu.Lock()
	defer js.mu.Unlock()
	x.Body, x.Document, x.Verdict.Document = nil, nil, nil // whoever joins has a document of its own
	j.x, j.reply, j.at = x, reply, time.Now()
	js.documents.Give(j.takes)
	js.places.Give(j.takes.One())
	last := js.under[key] == j
	if last {
		delete(js.under, key)
	}
	if alone = js.waiters[j] == 0; alone && last && reply.Status < 300 && len(reply.Body) <= maxKeptBody {
		if len(js.kept) >= maxKept {
			clear(js.kept)
		}
		if reply.Status == 201 {
			j.made = x.tenant.url + " Groups/" + gjson.GetBytes(reply.Body, "id").Str
		}
		js.kept[key] = j
	}
	delete(js.waiters, j)
	close(j.ended)
	return alone
}

// leave tells that a caller waits no more.
func (js *jobs) leave(key string, j *job) {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.under[key] == j {
		js.waiters[j]--
	}
}

// wait waits for all jobs, or for the context.
func (js *jobs) wait(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		js.all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
