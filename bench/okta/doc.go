// Package okta plays Okta: an organisation of people and groups, many of them with
// the faults that administrators report, and provisioning sessions as Okta sends
// them, in both of its dialects, over real connections, with Okta's reactions to
// each answer.
//
// The catalogue dialect (apps of Okta's catalogue) changes by PATCH; the wizard
// dialect (apps made by the wizard) by GET and PUT. The forms are those of Okta's
// SCIM reference and of public captures.
//
// It shares no code with the gateway: what should be at AWS is written down with
// each fault. Begin with session.go; population.go and faults.go are the people,
// compare.go holds both sides against each other.
package okta
