package aws

import (
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// members is what AWS requires of groups.
var members = []rules.Rule{{
	ID:      "SG601",
	Title:   "a group's displayName is missing",
	Fix:     "In Okta: give the group a name, then push it again.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, CreateGroup"},
	On:      anyGroup,
	At:      []string{"displayName"},
	When:    missing,
	Default: rules.Reject,
}, {
	ID:      "SG602",
	Title:   "{at} is missing, so it is not known who the member is",
	Fix:     "In Okta: assign the user to the app, so that Okta learns the user's id at AWS, then push the group again.",
	Why:     "In April 2024 AWS was seen to answer 400 to an empty member id and to empty the group all the same.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Observed, Where: "lichti/aws-iam-scim-problem, 2024-04; SCIM developer guide, PatchGroup"},
	On:      anyGroup,
	At:      []string{"members.value"},
	When:    missing,
	Default: rules.Reject,
}, {
	ID:      "SG603",
	Title:   "a new group has an empty list of members",
	Fix:     "Nothing to do; it is left out.",
	AWS:     "not known: an empty list of what AWS doesn't support is refused",
	Source:  rules.Source{Strength: rules.Observed, Where: "goauthentik/authentik#5640, 2023-05, for photos: []"},
	On:      scim.CreateGroup,
	At:      []string{"members"},
	When:    rules.EmptyArray | rules.Nulled,
	Default: rules.Repaired,
	Repair:  quiet,
}}
