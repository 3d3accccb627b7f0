// Package rules judges one SCIM document, or one URL, head or query, by a set of
// rules, and repairs it. It does no I/O and knows no HTTP server, so that a
// gateway, a command line and any other program can use it alike.
//
// A [Rule] is a value: text for a person, where it applies, and what it looks for.
// What an upstream accepts is a table of [Attribute] rows. [New] holds both
// against each other once and makes a [Set] of them; [Set.Judge] reads a document
// in one strict pass, in which each value gets a few [Signs], the cheap marks of
// something odd. Only a rule that asked for one of the signs of a value is run on
// it, so a clean document costs the pass alone.
//
// A repair is an [Edit] on the bytes that the client sent; whatever was right is
// forwarded as it was written. Edits to single values come first. What is absent,
// and what concerns several values, is judged on their result. A repaired
// document has nothing to repair or to reject.
//
// Begin with rule.go, then judge.go. The rules themselves live elsewhere: those
// of AWS in rules/aws.
package rules
