package main

import (
	"errors"
	"strings"

	"github.com/scimgate/scimgate/proxy/audit"
)

// The exit codes of all commands.
const (
	exitClean    = 0
	exitFindings = 1  // of check; of a demo that did not converge
	exitUsage    = 2  // arguments or configuration
	exitUpstream = 3  // AWS or the network
	exitAudit    = 4  // the audit log
	exitOurs     = 70 // a fault of scimgate itself
)

// errFindings ends a check that found something. The findings have been printed.
var errFindings = errors.New("something was found")

// failure is an error with an exit code and advice.
type failure struct {
	code int
	hint string
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func classify(err error) (code int, hint string) {
	var f *failure
	var fault *audit.Fault
	var chain *audit.ChainError
	switch {
	case errors.As(err, &f):
		return f.code, f.hint
	case errors.Is(err, errFindings), errors.Is(err, errNotConverged):
		return exitFindings, ""
	case errors.As(err, &fault), errors.As(err, &chain), strings.HasPrefix(err.Error(), "audit.file:"), strings.Contains(err.Error(), "audit log"):
		return exitAudit, "the gateway does not run without an audit log; name another file with --audit"
	case strings.HasPrefix(err.Error(), "BUG"):
		return exitOurs, "please report this"
	}
	return exitUsage, ""
}
