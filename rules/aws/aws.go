// Package aws is what the SCIM endpoint of AWS IAM Identity Center accepts: the
// attributes as a table, each constraint as a rule, the numbers as [Limits].
//
// The endpoint answers nearly every fault with one sentence. A rule here says
// which fault it was, in the words of the consoles in which a person can mend it.
// README.md of the folder above is the catalogue of all rules, made of these
// declarations; testdata has a whole request for each.
//
// Begin with attributes.go, then any file of rules: a rule is one declaration in
// it, and one file in testdata.
package aws

import (
	"slices"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// unparsable is AWS's answer to nearly everything (SCIM developer guide, error
// handling; observed in every release since 2020).
const unparsable = "400: Request is unparsable, syntactically incorrect, or violates schema."

// AddressPolicy is what becomes of an address of which AWS's guide for Okta
// would demand more.
type AddressPolicy string

// AWS's guide demands all five parts or none; today's endpoint seems to take a
// part of them.
const (
	CompleteAddress AddressPolicy = "complete" // completed from what AWS has, else left out and named; the default
	RejectAddress   AddressPolicy = "reject"
	PartialAddress  AddressPolicy = "partial" // forwarded without its empty parts
)

// Settings are the choices that AWS's documents leave open.
type Settings struct {
	rules.Settings
	Address AddressPolicy // "" is complete
	Roles   bool          // pass roles on create and replace; by default they are left out, as the guide has it
}

// New compiles AWS's contract under a tenant's settings.
func New(settings Settings) (*rules.Set, error) {
	c := Contract(settings)
	if settings.Address == RejectAddress || settings.Address == PartialAddress {
		dispositions := map[string]rules.Disposition{incompleteAddress: rules.Reject}
		if settings.Address == PartialAddress {
			dispositions[incompleteAddress] = rules.Off
		}
		for id, d := range settings.Dispositions {
			dispositions[id] = d
		}
		settings.Dispositions = dispositions
	}
	return rules.New(c, settings.Settings)
}

// Contract is AWS's contract as data. Only Settings.Roles changes it.
func Contract(settings Settings) rules.Contract {
	c := rules.Contract{
		Users: users, Groups: groups, Message: message,
		Rules:    slices.Concat(urls, heads, texts, names, values, unsupported, single, addresses, patches, members, choices, queries, guards, answers),
		Suspects: suspects,
		Filters:  filters,
	}
	if !settings.Roles {
		c.Users = slices.Clone(users)
		for i := range c.Users {
			if c.Users[i].Path == "roles" {
				c.Users[i].Traits |= rules.Unsupported
				c.Users = slices.Delete(c.Users, i+1, i+5) // what is left out whole has no parts to judge
				break
			}
		}
	}
	return c
}

// PlainStore compiles what holds for any store of RFC 7644: one reading of URL, head,
// query and JSON. Of a user only active is known, since what takes access away goes
// first; templates have nothing to fill in.
func PlainStore(settings rules.Settings) (*rules.Set, error) {
	settings.Templates = nil
	return rules.New(rules.Contract{
		Users:   []rules.Attribute{{Path: "active", Type: rules.Boolean}},
		Message: message,
		Rules:   slices.Concat(urls, heads, texts, queries, guards, answers),
	}, settings)
}

// Sets of operations that rules are about.
const (
	fullUser   = scim.CreateUser | scim.ReplaceUser
	anyUser    = fullUser | scim.PatchUser
	fullGroup  = scim.CreateGroup | scim.ReplaceGroup
	anyGroup   = fullGroup | scim.PatchGroup
	anyMessage = scim.PatchUser | scim.PatchGroup
	anyWrite   = anyUser | anyGroup
)
