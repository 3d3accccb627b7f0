// Package scim is the vocabulary of SCIM 2.0 (RFC 7643, RFC 7644) as the rest of
// the module speaks it: operations and targets, filters, attribute paths, the
// strict reading of a JSON document, calls to an upstream and their outcomes,
// error documents.
//
// It judges nothing. A parser that meets something odd reports a [Fault] with
// its place; what is to be done about it is a rule of another package. It does no
// I/O and knows no HTTP server.
package scim
