package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/scimgate/scimgate/proxy/wire"
)

// Listen binds the addresses, so that a port that is taken is told before anything
// is served.
func (g *Gateway) Listen() error {
	var err error
	if g.listener, err = net.Listen("tcp", g.settings.Listen.Address); err != nil {
		return fmt.Errorf("listen.address: %w", err)
	}
	if g.settings.Admin.Address == "off" {
		return nil
	}
	if g.adminOn, err = net.Listen("tcp", g.settings.Admin.Address); err != nil {
		g.listener.Close()
		return fmt.Errorf("admin.address: %w", err)
	}
	return nil
}

// Addresses are those that Listen has bound; admin is "" if it is off.
func (g *Gateway) Addresses() (scim, admin string) {
	if g.listener != nil {
		scim = g.listener.Addr().String()
	}
	if g.adminOn != nil {
		admin = g.adminOn.Addr().String()
	}
	return scim, admin
}

// Serve answers clients until ctx ends, then drains: readiness goes red, the
// listener closes, what is under way is finished, the log is closed. Its error
// says what was not clean.
func (g *Gateway) Serve(ctx context.Context) error {
	if g.listener == nil {
		if err := g.Listen(); err != nil {
			return err
		}
	}
	failed := make(chan error, 2)
	go func() { failed <- g.server.Serve(g.secured(newBounded(g.listener, g.settings.Listen.MaxConns))) }()
	if g.adminOn != nil {
		g.admin = g.adminServer()
		go func() {
			if err := g.admin.Serve(newBounded(g.adminOn, adminConns)); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	leave := g.amongOthers()
	driving, stopDriving := context.WithCancel(ctx)
	drove := make(chan struct{})
	go func() {
		defer close(drove)
		if slices.ContainsFunc(g.tenants, func(t *Tenant) bool { return t.keeper != nil }) {
			g.drive(driving)
		}
	}()
	scim, admin := g.Addresses()
	g.log.Info().Str("listen", scim).Str("admin", admin).Str("upstream", g.settings.Upstream.URL).Msg("serving")
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stopDriving()
	err = errors.Join(err, g.drain(drove, leave))
	_ = g.listener.Close() // which the server may not have known yet
	return err
}

// secured does TLS on the listener if it is to, and looks at what arrives.
func (g *Gateway) secured(l net.Listener) net.Listener {
	if g.tls != nil {
		l = tls.NewListener(l, g.tls)
	}
	return wire.Listen(l, wire.Handling{
		Bodies: g.room, Most: g.settings.Listen.MaxBodyBytes, Of: g.whose, Refuse: g.refuseBytes,
		PerAddress: g.settings.Listen.MaxConnsPerAddress,
		Exempt:     func(a netip.Addr) bool { return g.settings.Listen.TLSTerminatedInFront || g.proxies.has(a) },
	})
}

// lastMoment is how long before the end of the grace time the calls to AWS are ended
// that are still under way, so that their clients get an answer that they repeat.
const lastMoment = 2 * time.Second

// drain ends what is under way, and then leaves the other gateways; drove is closed when
// no deactivation is driven on any more.
func (g *Gateway) drain(drove <-chan struct{}, leave func()) error {
	g.draining.Store(true)
	g.log.Info().Msg("draining")
	select { // load balancers learn that readiness is red
	case <-time.After(g.settings.Listen.DrainDelay):
	case <-g.hurry:
		return g.endNow()
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.settings.Listen.ShutdownWithin)
	defer cancel()
	cut := time.AfterFunc(max(g.settings.Listen.ShutdownWithin-lastMoment, 0), func() {
		g.cutShort.Store(true)
		g.closeStores(true)
	})
	defer cut.Stop()
	ended := make(chan error, 1)
	go func() {
		err := g.server.ShutdownWithContext(ctx)
		if g.admin != nil {
			err = errors.Join(err, g.admin.Shutdown(ctx))
		}
		g.jobs.wait(ctx)
		g.closeStores(false)
		ended <- err
	}()
	select {
	case err := <-ended:
		g.closeStores(true)
		g.jobs.wait(context.Background()) // no call of theirs can last now
		<-drove
		leave()
		if g.cutShort.Load() {
			err = errors.Join(err, ErrCutShort)
		}
		err = errors.Join(err, g.leavers.Close())
		if closing := g.journal.Close(); closing != nil {
			err = errors.Join(err, fmt.Errorf("cannot close the audit log: %w", closing))
		}
		return err
	case <-g.hurry:
		return g.endNow()
	}
}

func (g *Gateway) closeStores(abort bool) {
	for _, st := range g.stores() {
		st.close(abort)
	}
}

// Hurry ends a drain at once: the log is closed with what is under way as unknown.
func (g *Gateway) Hurry() { g.hurryOnce.Do(func() { close(g.hurry) }) }

// ErrCutShort ends a Serve whose grace time was over before what was under way.
var ErrCutShort = errors.New("calls to AWS were still under way at the end of listen.shutdown_within; their clients were told to come again")

// ErrHurried ends a Serve that was told to hurry.
var ErrHurried = errors.New("ended at once; what was under way is recorded as unknown")

func (g *Gateway) endNow() error {
	if err := g.journal.Close(); err != nil {
		return errors.Join(ErrHurried, fmt.Errorf("cannot close the audit log: %w", err))
	}
	return ErrHurried
}
