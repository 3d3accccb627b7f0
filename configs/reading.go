package configs

import (
	"fmt"
	"maps"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reading is what stands in a file, or in the part of one that is a tenant's: values by
// the names of their keys.
type reading struct {
	file             string
	values           map[string]string
	rules, templates map[string]string
	tenants          map[string]*reading
	inTenant         bool
}

// read takes the values of a YAML file. Unknown keys are faults with line and column.
func (r *reading) read(text []byte) (faults []error) {
	doc, err := parser.ParseBytes(text, 0)
	if err != nil {
		return []error{fmt.Errorf("%s: %s", r.file, yaml.FormatError(err, false, false))}
	}
	for _, d := range doc.Docs {
		if d.Body != nil {
			faults = append(faults, r.visit(d.Body, "")...)
		}
	}
	return faults
}

// visit takes the values of a node; prefix is the group that it stands in, with a dot.
func (r *reading) visit(node ast.Node, prefix string) (faults []error) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			faults = append(faults, r.visit(v, prefix)...)
		}
	case *ast.MappingValueNode:
		return r.key(n, prefix)
	case *ast.NullNode, *ast.CommentGroupNode:
	default:
		if node != nil {
			faults = append(faults, fmt.Errorf("%s: %q holds no settings", r.file, prefix))
		}
	}
	return faults
}

// key takes one key with what stands behind it.
func (r *reading) key(n *ast.MappingValueNode, prefix string) (faults []error) {
	name := prefix + n.Key.String()
	at := n.Key.GetToken().Position
	place := fmt.Sprintf("%s:%d:%d", r.file, at.Line, at.Column)
	switch {
	case name == "tenants" && !r.inTenant:
		return r.tenantsOf(n.Value, place)
	case name == "rules" || name == "templates":
		into := map[string]string{}
		if err := yaml.NodeToValue(n.Value, &into); err != nil {
			return []error{fmt.Errorf("%s: %s is not a list of names and texts", place, name)}
		}
		if name == "rules" {
			r.rules = into
		} else {
			r.templates = into
		}
	case isKey(name) && r.inTenant && !ofTenant(name):
		return []error{fmt.Errorf("%s: %s is of the gateway, not of a tenant", place, name)}
	case isKey(name):
		value, ok := valueOf(n.Value, name)
		if !ok {
			return []error{fmt.Errorf("%s: %s takes one value", place, name)}
		}
		r.values[name] = value
	case isGroup(name):
		return r.visit(n.Value, name+".")
	default:
		return []error{fmt.Errorf("%s: %s is no setting%s", place, name, nearest(name, keyNames()))}
	}
	return nil
}

// tenantsOf reads the parts that are tenants' own.
func (r *reading) tenantsOf(node ast.Node, place string) (faults []error) {
	var list []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		list = n.Values
	case *ast.MappingValueNode:
		list = []*ast.MappingValueNode{n}
	default:
		return []error{fmt.Errorf("%s: tenants is not a list of names with settings", place)}
	}
	for _, n := range list {
		t := &reading{file: r.file, values: map[string]string{}, inTenant: true}
		faults = append(faults, t.visit(n.Value, "")...)
		r.tenants[n.Key.String()] = t
	}
	return faults
}

// tenant are the settings of a tenant: its own, and beside them those of all but for
// tokens.
func (r *reading) tenant(all *reading) (*Config, []error) {
	values := map[string]string{}
	for name, value := range all.values {
		if ofTenant(name) && !strings.HasPrefix(name, "tokens.") {
			values[name] = value
		}
	}
	maps.Copy(values, r.values)
	c := &Config{Rules: r.rules, Templates: r.templates}
	if c.Rules == nil {
		c.Rules = all.rules
	}
	if c.Templates == nil {
		c.Templates = all.templates
	}
	return c, c.fill(values)
}

// ofTenant tells whether a tenant can have a key of its own.
func ofTenant(name string) bool {
	group, _, grouped := strings.Cut(name, ".")
	switch group {
	case "upstream", "pace", "client", "tokens", "guard":
		return true
	}
	return !grouped && name != "schemas_every"
}

// valueOf is the text of a scalar, or of a list with commas between.
func valueOf(node ast.Node, name string) (text string, ok bool) {
	if list, is := node.(*ast.SequenceNode); is && isList(name) {
		var texts []string
		for _, v := range list.Values {
			texts = append(texts, strings.Trim(v.GetToken().Value, " "))
		}
		return strings.Join(texts, ","), true
	}
	s, is := node.(ast.ScalarNode)
	if !is {
		return "", false
	}
	if t := node.GetToken(); t != nil && node.Type() != ast.StringType {
		return strings.TrimSpace(t.Value), true
	}
	return fmt.Sprint(s.GetValue()), true
}
