package scim

import "strings"

// Path is the target of a PATCH operation (RFC 7644 §3.5.2): an attribute, one of
// its parts, or those of its values that a filter selects.
type Path struct {
	Schema    string  // the URN in front, "" if there is none
	Attribute string  // "" if the path is a URN alone
	Filter    *Filter // in square brackets, or nil
	Sub       string  // behind the dot, or ""
}

// ParsePath reads a path. The error is a *SyntaxError.
func ParsePath(text string) (Path, error) {
	p := Path{}
	if len(text) > maxPath {
		return p, &SyntaxError{maxPath, "the path is too long"}
	}
	rest := text
	if IsURN(text) {
		end := len(text)
		if bracket := strings.IndexByte(text, '['); bracket >= 0 {
			end = bracket
		}
		cut := strings.LastIndexByte(text[:end], ':')
		// A URN ends in a number and a resource type: urn:…:2.0:User. What stands
		// behind that is the attribute.
		if tail := text[cut+1 : end]; cut == 3 || isVersion(lastPart(text[:cut])) {
			if tail == "" || strings.ContainsAny(tail, "[ ") || end != len(text) {
				return p, &SyntaxError{cut, "a schema URN is not complete"}
			}
			return Path{Schema: text}, nil
		}
		p.Schema, rest = text[:cut], text[cut+1:]
	}
	at := len(text) - len(rest)
	if bracket := strings.IndexByte(rest, '['); bracket >= 0 {
		end := strings.LastIndexByte(rest, ']')
		if end < bracket {
			return p, &SyntaxError{at + bracket, "'[' is not closed"}
		}
		f, err := ParseFilter(rest[bracket+1 : end])
		if err != nil {
			syntax := err.(*SyntaxError)
			return p, &SyntaxError{at + bracket + 1 + syntax.At, syntax.Text}
		}
		p.Attribute, p.Filter = rest[:bracket], f
		switch tail := rest[end+1:]; {
		case tail == "":
		case tail[0] == '.' && len(tail) > 1:
			p.Sub = tail[1:]
		default:
			return p, &SyntaxError{at + end + 1, "unexpected text"}
		}
	} else {
		p.Attribute, p.Sub, _ = strings.Cut(rest, ".")
		if strings.HasSuffix(rest, ".") {
			return p, &SyntaxError{len(text), "a sub-attribute is missing"}
		}
	}
	if !isAttributePath(p.Attribute) || strings.ContainsAny(p.Attribute, ".:") {
		return p, &SyntaxError{at, "an attribute is missing"}
	}
	if p.Sub != "" && (!isAttributePath(p.Sub) || strings.ContainsAny(p.Sub, ".:")) {
		return p, &SyntaxError{len(text) - len(p.Sub), "a sub-attribute is missing"}
	}
	if p.Schema != "" && !isAttributePath(p.Schema+":x") {
		return p, &SyntaxError{0, "a schema URN is not well-formed"}
	}
	return p, nil
}

func lastPart(urn string) string { return urn[strings.LastIndexByte(urn, ':')+1:] }

func isVersion(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

// String is the path as it is written.
func (p Path) String() string {
	text := p.Schema
	if p.Attribute != "" {
		if text != "" {
			text += ":"
		}
		text += p.Attribute
	}
	if p.Filter != nil {
		text += "[" + p.Filter.String() + "]"
	}
	if p.Sub != "" {
		text += "." + p.Sub
	}
	return text
}
