package rules

import (
	"fmt"
	"strings"
)

// Template is the setting for the attribute with its placeholders filled in; ok
// is false if there is none, or if a placeholder has no value.
func (n Node) Template() (text string, ok bool) {
	template, ok := n.j.set.templates[n.Path]
	if !ok {
		return "", false
	}
	return expand(template, n.Get)
}

// expand fills in the placeholders of a template; ok is false if one has no value, or
// no end.
func expand(template string, value func(path string) string) (text string, ok bool) {
	for {
		before, rest, found := strings.Cut(template, "{")
		if !found {
			return text + template, true
		}
		path, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", false
		}
		v := value(path)
		if v == "" {
			return "", false
		}
		text += before + v
		template = after
	}
}

// checkTemplate refuses a template that would never fill anything in.
func (s *Set) checkTemplate(path, template string) error {
	r := s.users.text(path)
	if r == nil {
		return fmt.Errorf("templates.%s: no user has such a text", path)
	}
	if r.Path != path {
		return fmt.Errorf("templates.%s: the attribute is written %s", path, r.Path)
	}
	unknown := ""
	_, ok := expand(template, func(path string) string {
		if s.users.text(path) == nil {
			unknown = "{" + path + "}"
			return ""
		}
		return "x"
	})
	switch {
	case unknown != "":
		return fmt.Errorf("templates.%s: no user has a text %s", path, unknown)
	case !ok:
		return fmt.Errorf("templates.%s: a { is not closed", path)
	}
	return nil
}

// text is the row of a text of which a resource has one, by its path in any case; nil
// if there is none.
func (s *schema) text(path string) *row {
	in, name := s, path
	if above, part, ok := strings.Cut(path, "."); ok {
		r := s.named(above)
		if r == nil || r.sub == nil || r.Traits&Multi != 0 {
			return nil
		}
		in, name = r.sub, part
	}
	if r := in.named(name); r != nil && r.Type == Text {
		return r
	}
	return nil
}
