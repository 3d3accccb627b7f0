// Package configs reads the gateway's settings: from a YAML file, the environment
// and flags. The settings themselves are types of the packages that use them; the
// names of flags and variables follow from the keys, so there is one list of them,
// in keys.go.
//
// Begin with Load. scimgate.example.yaml explains each key.
package configs
