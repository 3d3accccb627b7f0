package pace

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Rate is a steady pace, and how many may go at once after a pause.
type Rate struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst"`
}

// Settings are the budgets of one identity store. A zero value, also as one half of a
// rate, stands for the default: 80 % of what AWS publishes (25 writes and 40 reads a
// second, IAM Identity Center user guide, quotas), so that other writers live too. AWS
// meters membership changes apart and publishes no figure; 100 a second is assumed.
type Settings struct {
	Writes      Rate `yaml:"writes"`      // 20 a second, burst 5: a larger one breaks 25 in the first second
	Reads       Rate `yaml:"reads"`       // 32 a second, burst 8
	Memberships Rate `yaml:"memberships"` // 100 a second, burst 100
	MaxWaiting  int  `yaml:"max_waiting"` // calls, 1024
	// Settle is how long a resource is left alone after a write of which it isn't known
	// what became, 30 s: longer than the upstream takes for anything, so that it can't be
	// carried out behind a later one.
	Settle time.Duration `yaml:"settle"`
}

// WithDefaults fills in what was left out.
func (s Settings) WithDefaults() Settings {
	for _, r := range []struct {
		of       *Rate
		standard Rate
	}{{&s.Writes, Rate{20, 5}}, {&s.Reads, Rate{32, 8}}, {&s.Memberships, Rate{100, 100}}} {
		if r.of.PerSecond == 0 {
			r.of.PerSecond = r.standard.PerSecond
		}
		if r.of.Burst == 0 {
			r.of.Burst = r.standard.Burst
		}
	}
	if s.MaxWaiting == 0 {
		s.MaxWaiting = 1024
	}
	if s.Settle == 0 {
		s.Settle = 30 * time.Second
	}
	return s
}

// Check reports all that is wrong with the settings.
func (s Settings) Check() error {
	s = s.WithDefaults()
	var faults []error
	for _, r := range []struct {
		name string
		Rate
	}{{"writes", s.Writes}, {"reads", s.Reads}, {"memberships", s.Memberships}} {
		if !(r.PerSecond > 0) || math.IsInf(r.PerSecond, 0) {
			faults = append(faults, fmt.Errorf("%s.per_second must be above 0", r.name))
		}
		if r.Burst < 1 {
			faults = append(faults, fmt.Errorf("%s.burst must be at least 1", r.name))
		}
	}
	if s.MaxWaiting < 0 {
		faults = append(faults, errors.New("max_waiting must not be negative"))
	}
	if s.Settle < 0 {
		faults = append(faults, errors.New("settle must not be negative"))
	}
	return errors.Join(faults...)
}
