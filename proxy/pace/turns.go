package pace

// asker is one of several who share the budgets, while something of it waits.
type asker struct {
	waiting int     // asks
	next    float64 // where its next ask stands among the turns
}

// askerKey tells askers apart. Reads and writes have budgets of their own, and turns.
type askerKey struct {
	of   string
	kind Kind
}

func (a Ask) key() askerKey { return askerKey{a.Of, a.Kind} }

// startOf is where an ask stands: behind the asker's own, and not before what is served
// now (start-time fair queueing: Goyal, Vin and Cheng, 1996).
func (b *Budgets) startOf(ask Ask) float64 {
	if a := b.askers[ask.key()]; a != nil {
		return max(b.clock[ask.Kind], a.next)
	}
	return b.clock[ask.Kind]
}

// lineUp takes in that an ask waits.
func (b *Budgets) lineUp(w *waiter) {
	a := b.askers[w.ask.key()]
	if a == nil {
		a = new(asker)
		b.askers[w.ask.key()] = a
	}
	a.waiting++
	a.next = w.start + 1
}

// step takes in that an ask waits no more; served says that it had its turn.
func (b *Budgets) step(w *waiter, served bool) {
	if served {
		b.clock[w.ask.Kind] = max(b.clock[w.ask.Kind], w.start)
	}
	a := b.askers[w.ask.key()]
	if a.waiting--; a.waiting == 0 {
		delete(b.askers, w.ask.key())
	}
	if len(b.askers) == 0 {
		b.clock = [2]float64{}
	}
}

// greediest is who has most asks waiting; over tells that it has more than its share of
// the places, and that of has less.
func (b *Budgets) greediest(of askerKey) (name askerKey, over bool) {
	most, mine := 0, 0
	for n, a := range b.askers {
		if a.waiting > most {
			name, most = n, a.waiting
		}
		if n == of {
			mine = a.waiting
		}
	}
	shares := len(b.askers)
	if mine == 0 {
		shares++
	}
	share := b.maxWaiting / max(shares, 1)
	return name, name.of != of.of && most > share && mine < share
}
