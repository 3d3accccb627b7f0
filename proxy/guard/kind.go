package guard

import "fmt"

// Kind is what a client takes away.
type Kind uint8

const (
	UserDeletes   Kind = iota // users
	GroupDeletes              // groups
	Deactivations             // users who become inactive
	Removals                  // members of groups, one for each group that they leave
	kinds
)

// names are also the keys of the settings.
func names() [kinds]string {
	return [kinds]string{"user_deletes", "group_deletes", "deactivations", "removals"}
}

func (k Kind) String() string { return names()[k] }

// MarshalText is the name of the kind.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// ParseKind is the kind of this name.
func ParseKind(name string) (Kind, error) {
	for k, n := range names() {
		if n == name {
			return Kind(k), nil
		}
	}
	return 0, fmt.Errorf("cannot guard %q: it must be one of %q", name, names())
}
