package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// act does one thing that a client of its kind does, with a fault or without.
func (c *client) act(d *draw) error {
	dice := c.rng.IntN(100)
	switch {
	case len(c.users) < 2 || dice < 18 && len(c.users) < 8:
		return c.makeUser(d)
	case dice < 60:
		return c.changeUser(d, dice)
	case len(c.groups) == 0 || dice < 64 && len(c.groups) < 3:
		return c.makeGroup(d)
	case dice < 82:
		return c.changeGroup(d, dice)
	}
	return c.look(d, dice)
}

func (c *client) makeUser(d *draw) error {
	name := fmt.Sprintf("p%d.%s@example.test", c.seed%1000, c.thing())
	r, err := c.perform(createUser(name, c.title()), d)
	if err != nil {
		return err
	}
	if id := idOf(r); id != "" {
		c.users = append(c.users, &person{id, name, true})
	}
	return nil
}

func (c *client) title() string { return "t-" + c.thing() }

func (c *client) changeUser(d *draw, dice int) error {
	at := c.rng.IntN(len(c.users))
	p := c.users[at]
	var o *operation
	switch {
	case dice < 26:
		o = putUser(p.id, p.name, c.title(), c.rng.IntN(3) > 0)
	case dice < 34:
		o = titled(p.id, c.title())
	case dice < 44:
		o = activated(p.id, false, c.rng.IntN(3))
	case dice < 52:
		o = activated(p.id, true, c.rng.IntN(3))
	case dice < 56:
		return c.race(p, d)
	default:
		o = removed("Users", p.id)
		c.users = slices.Delete(c.users, at, at+1)
	}
	r, err := c.perform(o, d)
	if err == nil && r.OK() && o.wish.Active != nil {
		p.active = *o.wish.Active
	}
	return err
}

// race sends two changes of one user behind each other on two connections: the second
// when the first is known to have been accepted, but not waiting for its end.
func (c *client) race(p *person, d *draw) error {
	back := c.rng.IntN(4) > 0
	first, second := activated(p.id, back, 0), activated(p.id, !back, 1)
	first.attempts = 1
	r := c.request(first, c.thing())
	c.left.Add(-1)
	if d == nil || d.upstream == nil {
		d = &draw{upstream: faulty.ByName([]string{"late", "done-silent", "rst-done", "500-done", "silence"}[c.rng.IntN(5)])}
	}
	c.upstream.Plan(r.Tag, faulty.Order{Fault: d.upstream, At: c.rng.IntN(1 << 20)})
	defer c.upstream.Forget(r.Tag)
	other, err := dial(c.book, c.address)
	if err != nil {
		return err
	}
	defer other.close()
	if err := other.send(r, r.text(), 1, 0); err != nil {
		return nil
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		other.read(r)
	}()
	c.upstream.Await(patience, func(s witness.Seen) bool { return s.Tag == r.Tag })
	_, err = c.perform(second, nil)
	<-ended
	return err
}

func (c *client) some(most int) []string {
	n := c.rng.IntN(most + 1)
	ids := slices.Clone(c.pool)
	c.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:n]
}

func (c *client) makeGroup(d *draw) error {
	members := c.some(5)
	if c.rng.IntN(10) == 0 {
		members = c.some(len(c.pool))
	}
	g := &team{name: fmt.Sprintf("Team %d %s", c.seed%1000, c.thing()), members: map[string]bool{}}
	r, err := c.perform(createGroup(g.name, members), d)
	if err != nil {
		return err
	}
	if g.id = idOf(r); g.id != "" {
		g.now(members)
		c.groups = append(c.groups, g)
	}
	return nil
}

func (g *team) now(members []string) {
	clear(g.members)
	for _, id := range members {
		g.members[id] = true
	}
}

func (c *client) changeGroup(d *draw, dice int) error {
	at := c.rng.IntN(len(c.groups))
	g := c.groups[at]
	var o *operation
	switch {
	case dice < 70:
		o = patchMembers(g.id, "add", append(c.some(4), c.pool[c.rng.IntN(len(c.pool))]))
		slices.Sort(o.wish.Add)
		o = patchMembers(g.id, "add", slices.Compact(o.wish.Add))
	case dice < 74 && len(g.members) > 0:
		have := slices.Sorted(maps.Keys(g.members))
		o = patchMembers(g.id, "remove", have[:1+c.rng.IntN(min(len(have), 5))])
	case dice < 80:
		members := c.some(12)
		if c.rng.IntN(6) == 0 {
			members = c.some(len(c.pool))
		}
		o = putGroup(g.id, g.name, members)
	default:
		o = removed("Groups", g.id)
		c.groups = slices.Delete(c.groups, at, at+1)
	}
	r, err := c.perform(o, d)
	if err == nil && r.OK() {
		c.remember(g, o.wish)
	}
	return err
}

func (c *client) remember(g *team, w *witness.Wish) {
	if w.Exactly {
		g.now(w.Members)
	}
	for _, id := range w.Add {
		g.members[id] = true
	}
	for _, id := range w.Remove {
		delete(g.members, id)
	}
}

func (c *client) look(d *draw, dice int) error {
	p := c.users[c.rng.IntN(len(c.users))]
	o := read("/Users/"+p.id, 1)
	switch {
	case dice < 88:
	case dice < 92:
		o = lookUp(p.name)
	case dice < 95:
		o = lookUp(strings.Replace(p.name, "@", ".nobody@", 1))
	case dice < 98 && len(c.groups) > 0:
		o = read("/Groups/"+c.groups[c.rng.IntN(len(c.groups))].id, 2)
	default:
		o = page(1+c.rng.IntN(50), 1+c.rng.IntN(20))
	}
	_, err := c.perform(o, d)
	return err
}
