package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mode is what becomes of more than is allowed.
type Mode string

const (
	HoldIt  Mode = "hold"  // it isn't carried out
	AlarmIt Mode = "alarm" // it is carried out, and someone is told
	Off     Mode = "off"   // it is carried out and counted
)

// Limit is how much may be taken away within the window: Floor, or Share of the
// users of the store if that is more.
type Limit struct {
	Mode  Mode    `yaml:"mode"`
	Floor int     `yaml:"floor"` // 0 stands for the default
	Share float64 `yaml:"share"` // 0 to 1; the default is taken only if Floor is left out too
}

// Settings are those of one tenant's guard. A zero value stands for the default.
type Settings struct {
	Window        time.Duration `yaml:"window"`        // 1 h
	UserDeletes   Limit         `yaml:"user_deletes"`  // hold, 20 or 5 %
	GroupDeletes  Limit         `yaml:"group_deletes"` // alarm, 5
	Deactivations Limit         `yaml:"deactivations"` // alarm, 50 or 5 %
	Removals      Limit         `yaml:"removals"`      // of members from groups: alarm, 500 or 20 %

	// Protected are names of groups that are neither deleted, renamed nor emptied.
	// Nil stands for those of AWS Control Tower; an empty list protects none.
	Protected []string `yaml:"protected"`
}

// controlTower is what AWS Control Tower makes in the identity store (AWS Control
// Tower user guide, IAM Identity Center groups for AWS Control Tower).
func controlTower() []string {
	return []string{
		"AWSAccountFactory", "AWSServiceCatalogAdmins", "AWSControlTowerAdmins", "AWSAuditAccountAdmins",
		"AWSSecurityAuditors", "AWSSecurityAuditPowerUsers", "AWSLogArchiveAdmins", "AWSLogArchiveViewers",
	}
}

// limits is each kind's limit, to read or to set.
func (s *Settings) limits() [kinds]*Limit {
	return [kinds]*Limit{
		UserDeletes: &s.UserDeletes, GroupDeletes: &s.GroupDeletes,
		Deactivations: &s.Deactivations, Removals: &s.Removals,
	}
}

// WithDefaults fills in what was left out.
func (s Settings) WithDefaults() Settings {
	standard := [kinds]Limit{
		// Only deletions are held: they can't be undone. The user who is made anew
		// has another id and no assignments.
		UserDeletes:   {HoldIt, 20, 0.05},
		GroupDeletes:  {AlarmIt, 5, 0},
		Deactivations: {AlarmIt, 50, 0.05},
		Removals:      {AlarmIt, 500, 0.2},
	}
	for kind, limit := range s.limits() {
		if limit.Mode == "" {
			limit.Mode = standard[kind].Mode
		}
		// A floor that stands alone is meant to be the limit. A share that stands
		// alone needs a floor, since the number of users isn't known at the start.
		if limit.Floor == 0 {
			limit.Floor = standard[kind].Floor
			if limit.Share == 0 {
				limit.Share = standard[kind].Share
			}
		}
	}
	if s.Window == 0 {
		s.Window = time.Hour
	}
	if s.Protected == nil {
		s.Protected = controlTower()
	} else {
		s.Protected = slices.Clone(s.Protected)
	}
	return s
}

// Check tells everything that is wrong with the settings, by the names of their
// keys.
func (s Settings) Check() error {
	s = s.WithDefaults()
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.Window < time.Second {
		fault("window must be at least 1s, not %v", s.Window)
	}
	for kind, limit := range s.limits() {
		switch limit.Mode {
		case HoldIt, AlarmIt, Off:
		default:
			fault("%s.mode must be hold, alarm or off, not %q", Kind(kind), limit.Mode)
		}
		if limit.Floor < 0 {
			fault("%s.floor must not be negative", Kind(kind))
		}
		if !(limit.Share >= 0 && limit.Share <= 1) {
			fault("%s.share must be from 0 to 1, not %v", Kind(kind), limit.Share)
		}
	}
	for i, name := range s.Protected {
		if strings.TrimSpace(name) == "" {
			fault("protected[%d] is empty", i)
		}
	}
	return errors.Join(faults...)
}
