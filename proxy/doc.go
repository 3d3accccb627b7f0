// Package proxy is the gateway: an HTTP server for SCIM clients in front of the
// SCIM endpoint of AWS IAM Identity Center.
//
// Each request is an [Exchange]. It goes through four stages in one direction,
// each a file that can be read alone:
//
//	route    which operation on which resource? (route.go)
//	admit    is it HTTP that both sides read alike, and who is it? (admit.go)
//	inspect  which rules does the document break, and what repairs them? (inspect.go)
//	perform  which calls to AWS carry it out? (perform.go)
//
// A stage that returns a reply ends the walk. Then the tail: relay (relay.go) makes
// AWS's answer one that the client understands, and answer (gateway.go) records it
// before its first byte leaves.
//
// What perform asks of AWS goes through one door, do (do.go): it waits for budget,
// makes the intent durable, sends, and makes the outcome durable. No write leaves
// and no answer returns on another way.
//
// The parts are packages of their own, which don't know each other: upstream (one
// hop), pace (budgets and lanes), translate (plans), audit (the log). What AWS
// accepts is data, handed in as a set of rules.
package proxy
