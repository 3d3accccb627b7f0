package writer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// beatScript tells Redis that a gateway lives, and takes, keeps or asks about the lease,
// all at one moment. The time is that of Redis alone.
//
// KEYS: the lease, those who live. ARGV: id of the process, name, lease in ms, the
// highest number that is known to it, then yes or no: it has the lease for sure, it has
// waited long enough to take one that has run out, and to take one where Redis knows less
// than it does, it has written behind the back of others, it sends nothing that Redis
// doesn't know of.
//
// A Redis that is empty, or has come back as it was earlier, knows less, and tells nothing.
//
// A new number is at least the time in seconds: so no two leases have the same, though
// Redis has lost its data in between, and a higher one is later.
//
// It answers with what came of it, the number (0 if Redis knows less), the number before,
// who has the lease, how many others live, and the number that the present lease follows.
var beatScript = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local id, name, lease, known = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local sure, patient, sceptical = ARGV[5] == 'yes', ARGV[6] == 'yes', ARGV[7] == 'yes'
local wrote, open = ARGV[8] == 'yes', ARGV[9] == 'yes'
local function text(n) return string.format('%.0f', n) end

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now))
if open then
  redis.call('ZADD', KEYS[2], text(now + lease), name)
else
  redis.call('ZREM', KEYS[2], name)
end
local others = redis.call('ZCARD', KEYS[2]) - (open and 1 or 0)

local h = redis.call('HMGET', KEYS[1], 'holder', 'name', 'until', 'fence', 'after')
local holder, other, ends, fence = h[1] or '', h[2] or '', tonumber(h[3] or '0'), tonumber(h[4] or '0')
local before, after = fence, tonumber(h[5] or '0')
local behind = not h[4] or fence < known
if wrote and not behind and holder ~= id then
  after = math.max(fence, known)
  fence = after + 1
  redis.call('HSET', KEYS[1], 'fence', text(fence), 'after', text(after))
end
local function keep(number)
  redis.call('HSET', KEYS[1], 'holder', id, 'name', name, 'until', text(now + lease), 'fence', text(number), 'after', text(after))
  return {'writing', text(number), text(before), name, others, text(after)}
end
local function take(number)
  after = before
  return keep(math.max(number, math.floor(now / 1000)))
end
if behind then
  if sure then
    before = known
    return keep(known)
  end
  if sceptical then return take(known + 1) end
  return {'vacant', '0', '0', '', others, '0'}
end
if holder == id then return keep(fence) end
if holder == '' or (ends <= now and patient) then return take(math.max(fence, known) + 1) end
if ends <= now then return {'vacant', text(fence), text(before), other, others, text(after)} end
return {'standby', text(fence), text(before), other, others, text(after)}
`)

// releaseScript gives the lease back, so that the next one need not wait for its end.
var releaseScript = redis.NewScript(`
redis.call('ZREM', KEYS[2], ARGV[2])
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'holder', '', 'until', '0')
end
return 'ok'
`)

// The braces keep both on one node of a cluster.
func (w *Writer) keys() []string {
	return []string{"{" + w.settings.Group + "}:writer", "{" + w.settings.Group + "}:gateways"}
}

// heard is what Redis has answered.
type heard struct {
	what          string // writing, standby or vacant
	fence, before uint64
	other         string
	others        int
	after         uint64
}

// beat asks Redis once, and becomes what that means.
func (w *Writer) beat(ctx context.Context) {
	was, now := w.State(), time.Now()
	h, err := w.ask(ctx, was, now)
	if ctx.Err() != nil {
		return
	}
	if w.silence(now) > w.settings.Lease { // one answer that is lost is no outage
		w.contact, w.behind, w.counted = time.Time{}, time.Time{}, 0
	}
	if err != nil {
		w.counted = 0
		w.unreachable(was, now, err)
		return
	}
	w.answer = now
	if w.contact.IsZero() {
		w.contact = now
	}
	known := max(w.seen, w.fence)
	w.seen = max(h.fence, w.seen)
	switch {
	case h.fence > 0:
		w.behind = time.Time{}
	case w.behind.IsZero():
		w.behind = now
	}
	if w.counted++; h.others < w.settings.Count-1 {
		w.counted = 0
	}
	// Unless a write may have left meanwhile, since a lease runs out and one goes on alone, or
	// Redis knows less and nobody was told.
	if w.now.Load().Role < Writing && h.what != "writing" && h.fence > 0 {
		w.told()
	}
	if h.what == "standby" && w.fence > h.after && w.fence < h.fence { // Redis has forgotten this one's lease, and the other doesn't know of it
		w.wrote.Store(true)
	}
	switch h.what {
	case "writing":
		to := State{Role: Writing, Fence: h.fence, Other: w.settings.Name, until: now.Add(w.settings.Lease * 9 / 10)}
		// Names of those who are gone, and questions that lay in a socket for long, count for a
		// lease; so long another may write under one that Redis, back as it was earlier, has
		// forgotten.
		to.Full = w.counted > beats || w.settings.Without == "hold" && now.Sub(w.contact) >= w.settings.Lease
		supplanted, another := h.before != w.fence || known > w.fence, h.fence != w.fence || w.wrote.Load()
		w.fence = h.fence
		if !w.become(to, supplanted) {
			w.unheld = true
		} else if w.unheld = w.unheld && !supplanted; another {
			w.told()
		}
	case "standby":
		to := State{Role: Standby, Fence: w.fence, Other: h.other}
		if h.other == w.settings.Name { // an earlier life of this one, which has not given it back
			to.Role = Unsure
		}
		w.become(to, false)
	default: // nobody writes, and it is too early to take that over
		to := State{Role: Unsure, Fence: w.fence, Other: h.other}
		if was.Role == Alone {
			to = was
			to.Err = nil
		}
		w.become(to, false)
	}
}

// ask runs the script.
func (w *Writer) ask(ctx context.Context, was State, now time.Time) (h heard, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.settings.beat())
	defer cancel()
	// Who comes back to a lease that has run out leaves it to the one that had it last.
	patience := w.settings.Lease
	if w.seen != w.fence {
		patience *= 2
	}
	yes := func(is bool) string {
		if is {
			return "yes"
		}
		return "no"
	}
	answer, err := beatScript.Run(ctx, w.redis, w.keys(), w.id, w.settings.Name, w.settings.Lease.Milliseconds(), max(w.seen, w.fence),
		yes(was.Role == Writing),
		yes(!w.contact.IsZero() && now.Sub(w.contact) >= patience),
		yes(!w.behind.IsZero() && now.Sub(w.behind) >= patience),
		yes(w.wrote.Load()),
		// An answer that was lost must not make the others believe that it still stands by.
		yes(was.Role != Alone && w.silence(now) < w.settings.Lease)).Slice()
	if err != nil {
		return heard{}, fmt.Errorf("cannot reach Redis: %w", err)
	}
	return parse(answer)
}

func parse(answer []any) (h heard, err error) {
	if len(answer) != 6 {
		return heard{}, errors.New("redis has answered something else than the script does")
	}
	what, _ := answer[0].(string)
	fence, _ := answer[1].(string)
	before, _ := answer[2].(string)
	other, _ := answer[3].(string)
	others, _ := answer[4].(int64)
	after, _ := answer[5].(string)
	h = heard{what: what, other: other, others: int(others)}
	var faults [3]error
	h.fence, faults[0] = strconv.ParseUint(fence, 10, 64)
	h.before, faults[1] = strconv.ParseUint(before, 10, 64)
	h.after, faults[2] = strconv.ParseUint(after, 10, 64)
	return h, errors.Join(faults[:]...)
}

// silence is how long nothing was heard of Redis, by the clock that says more: the monotonic
// one stands still while a machine sleeps, and the other one can be put back.
func (w *Writer) silence(now time.Time) time.Duration {
	return max(now.Sub(w.answer), now.Round(0).Sub(w.answer.Round(0)))
}

// unreachable is what a gateway becomes that hears nothing of Redis.
func (w *Writer) unreachable(was State, now time.Time, err error) {
	// Not asleep for so long that another may have taken over and written.
	ranOut := w.now.Load().Role == Writing && w.silence(now) < w.settings.Lease+min(w.settings.Lease, w.settle)
	to, supplanted := was, false
	switch {
	case w.now.Load().Role == Writing && was.Role == Writing:
		// By its end the pace is taken back, and nothing stops for a moment.
		if to.Full = false; w.settings.Without == "share" {
			to.alone = to.until.Add(w.settings.Lease)
		}
	case was.Role == Alone && w.now.Load().Role == Alone:
	case w.settings.Without == "hold":
		to.Role = Unsure
	case ranOut:
		to = State{Role: Alone, Fence: w.fence}
	// The one that writes has taken back its pace by then. A clock that was put forward, and a
	// network that is not there yet behind a sleep, are no silence.
	case now.Sub(w.answer) >= 3*w.settings.Lease:
		to, supplanted = State{Role: Alone, Fence: w.fence}, true
	}
	to.Err = err
	w.become(to, supplanted)
}

// told takes in that the others know of what was written alone, or of the lease.
func (w *Writer) told() {
	w.wrote.Store(false)
	k := kept{Fence: w.fence}
	if w.unheld { // the next life is to be told so
		k.Fence = 0
	}
	_ = w.keep(k) // without it the next life takes this one for another: that is slower, and safe
}

// release gives the lease back.
func (w *Writer) release() {
	ctx, cancel := context.WithTimeout(context.Background(), w.settings.beat())
	defer cancel()
	_ = releaseScript.Run(ctx, w.redis, w.keys(), w.id, w.settings.Name).Err() // else it runs out
	_ = w.redis.Close()
}
