package configs

import (
	"reflect"
	"strings"
	"time"
)

var durationType = reflect.TypeFor[time.Duration]()

const (
	intKind   = reflect.Int
	floatKind = reflect.Float64
	listKind  = reflect.Slice
)

// byEnv is the key of an environment variable.
func byEnv(name string) (key string, ok bool) {
	for _, k := range Keys() {
		if name == k.Env || name == k.shortEnv() {
			return k.Name, true
		}
	}
	return "", false
}

// shortEnv is the variable of the short flag, "" if there is none.
func (k Key) shortEnv() string {
	if k.Short == "" {
		return ""
	}
	return "SCIMGATE_" + strings.ToUpper(strings.ReplaceAll(k.Short, "-", "_"))
}

func envNames() (names []string) {
	for _, k := range Keys() {
		names = append(names, k.Env)
		if short := k.shortEnv(); short != "" {
			names = append(names, short)
		}
	}
	return names
}

func keyNames() []string {
	names := []string{"rules", "templates", "tenants"}
	for _, k := range Keys() {
		names = append(names, k.Name)
	}
	return names
}

// nearest is a hint at the name that was probably meant, "" if none is near.
func nearest(name string, known []string) string {
	best, least := "", len(name)/3+2
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the number of letters to change, insert or delete (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
