// Package standin imitates the SCIM endpoint of AWS IAM Identity Center in memory,
// strictly: what AWS is documented or was observed to refuse, it refuses with the
// same status and document. Clients of that endpoint are tested against it.
//
// It is not a general SCIM server and holds nothing on disk. It shares no code with
// the gateway, on purpose: two readings of AWS's documents that were made apart
// rarely err in the same place.
//
// Where AWS's behaviour is unknown or its documents contradict each other, a switch
// decides (switches.go, Switches); the first value of each is its default. The zero
// Options give a server that is ready for use: DefaultTenant, DefaultToken, AWS's
// published quotas, no users.
//
// Some unknowns are too small for a switch and are settled strictly: names are compared
// in their exact letter case, an unknown URN in schemas is refused, an e-mail needs a
// value, a whole list is written as an array, the extension counts each attribute of a
// PATCH without path, a body without a JSON media type is a 400, and a store that is
// full is a 400. The texts of 401, 403, 404, 405, 429 and 500 are invented.
//
// Begin with server.go, the way of a request; attributes.go is what AWS accepts, as
// a table; patch.go, members.go, filter.go and paging.go are AWS's peculiarities.
//
// Sources, by their short names here: "guide" is the IAM Identity Center SCIM
// Implementation Developer Guide, "user guide" the IAM Identity Center User Guide,
// "Identity Store API" its API reference.
package standin
