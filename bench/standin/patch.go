package standin

import (
	"reflect"
	"strings"
)

// operation is one of a PATCH request.
type operation struct {
	op       string
	path     string
	hasPath  bool
	value    any
	hasValue bool
}

// operations reads the body of a PATCH.
func (s *Server) operations(body []byte) ([]operation, error) {
	in, err := parse(body)
	if err != nil {
		return nil, err
	}
	rd := reader{at: s.at}
	if err := rd.schemas(in, []string{patchURN}); err != nil {
		return nil, err
	}
	if list, _ := in["schemas"].([]any); len(list) == 0 && s.at.is("patch-schemas", "required") {
		return nil, refuse(400, "Missing schemas in PATCH request")
	}
	list, _ := in["Operations"].([]any)
	if len(list) == 0 || len(list) > 1 && s.at.is("several-operations", "refuse") {
		return nil, refuse(400, "Missing or too many Operations in PATCH request")
	}
	for name := range in {
		if name != "schemas" && name != "Operations" {
			return nil, refuse(400, "Unknown attribute in PATCH request")
		}
	}
	ops := make([]operation, 0, len(list))
	for _, v := range list {
		op, err := rd.operation(v)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// operation reads one operation. What it needs depends on its op: remove a path, the
// others a value.
func (r reader) operation(v any) (operation, error) {
	malformed := refuse(400, "Malformed operation in PATCH request")
	in, ok := v.(object)
	if !ok {
		return operation{}, malformed
	}
	var out operation
	for name, v := range in {
		if v == nil && name != "op" && r.at.is("null-values", "accept") {
			continue // as if it were absent
		}
		switch name {
		case "op":
			out.op, _ = v.(string)
			if r.at.is("op-case", "accept") {
				out.op = strings.ToLower(out.op)
			}
		case "path":
			out.path, out.hasPath = v.(string)
			if out.path == "" {
				return operation{}, malformed
			}
		case "value":
			out.value, out.hasValue = v, true
		default:
			return operation{}, malformed
		}
	}
	switch {
	case out.op == "remove" && !out.hasPath:
		return operation{}, refuse(400, "Missing path in PATCH request")
	case out.op == "remove", (out.op == "add" || out.op == "replace") && out.hasValue:
		return out, nil
	case out.op == "replace" && out.path == "members":
		return out, nil // has an answer of its own
	}
	return operation{}, malformed
}

// patch is a document while operations are at work on it.
type patch struct {
	reader
	of      *resourceType
	id      string
	doc     object
	touched map[string]bool       // attributes of the resource that an operation named
	members func(operation) error // carries out operations on members; nil for users
}

// run carries out operations up to the first that is refused.
func (p *patch) run(ops []operation) error {
	for _, op := range ops {
		if !op.hasPath {
			var err error
			if op, err = p.withPath(op); err != nil {
				return err
			}
		}
		if p.members != nil && (op.path == "members" || strings.HasPrefix(op.path, "members[")) {
			if err := p.members(op); err != nil {
				return err
			}
			continue
		}
		if err := p.one(op); err != nil {
			return err
		}
	}
	return nil
}

// withPath turns an operation without path into the same with one. It may change one
// attribute only; those of the extension count each.
func (p *patch) withPath(op operation) (operation, error) {
	in, ok := op.value.(object)
	if !ok {
		return op, refuse(400, "Malformed operation in PATCH request")
	}
	n := 0
	for name, v := range in {
		if name == "id" && v == p.id && p.at.is("pathless-id", "accept") {
			continue
		}
		if v == nil {
			return op, refuse(400, "Malformed operation in PATCH request")
		}
		op.path, op.value, op.hasPath = name, v, true
		n++
		if inside, ok := v.(object); ok && name == enterpriseURN && len(inside) > 1 {
			n += len(inside) - 1
		}
	}
	if n != 1 {
		return op, refuseAsSeen(onlyOneAttribute)
	}
	if _, plain := row(p.of.attributes, op.path); !plain && op.path != "members" {
		return op, refuse(400, "Unsupported attribute "+op.path) // a dotted name is no attribute
	}
	return op, nil
}

// one carries out an operation on an attribute of the document.
func (p *patch) one(op operation) error {
	at, err := p.path(p.of, op.path)
	if err != nil {
		return err
	}
	if at.attribute.has(fixed) && (op.op == "remove" || p.touched[at.top()]) {
		return refuse(400, "Unsupported operation on "+at.top())
	}
	p.touched[at.top()] = true
	if op.op == "remove" && op.hasValue {
		return refuse(400, "Unsupported value of a remove operation")
	}
	holder := p.doc
	if at.extension {
		holder = inner(p.doc, enterpriseURN)
		defer prune(p.doc, enterpriseURN)
	}
	if at.part != nil || at.filter != nil {
		return p.inside(holder, at, op)
	}
	if op.op == "remove" {
		delete(holder, at.attribute.name)
		return nil
	}
	return p.assign(holder, at.attribute, op)
}

// assign adds or replaces a whole attribute: a complex one is merged (RFC 7644
// §3.5.2.3), a list is replaced, or added to, which AWS's limit of one mostly refuses.
func (p *patch) assign(holder object, a attribute, op operation) error {
	v, err := p.value(a, a.name, p.manager(a, op.value))
	if err != nil {
		return err
	}
	switch {
	case v == nil && a.kind == list && op.op == "add", v == nil && a.kind == complex:
		return nil
	case v == nil:
		delete(holder, a.name)
	case a.kind == complex:
		merge(inner(holder, a.name), v.(object))
	case a.kind == list && op.op == "add" && holder[a.name] != nil && !reflect.DeepEqual(holder[a.name], v):
		return tooMany(a.name)
	default:
		holder[a.name] = v
	}
	return nil
}

// manager takes a manager given as string or list of one as the object that AWS
// documents, if the switch says so.
func (p *patch) manager(a attribute, v any) any {
	if a.name != "manager" || p.at.is("manager-value", "object") {
		return v
	}
	switch v := v.(type) {
	case string:
		return object{"value": v}
	case []any:
		if len(v) == 1 {
			return v[0]
		}
	}
	return v
}

// inside carries out an operation on a part, or on what a filter selects in a list.
func (p *patch) inside(holder object, at location, op operation) error {
	a := at.attribute
	target, found := p.target(holder, at)
	switch {
	case op.op == "remove" && !found:
		return nil
	case op.op == "remove" && at.part == nil:
		delete(holder, a.name)
		return nil
	case op.op == "remove":
		delete(target, at.part.name)
		if len(target) == 0 {
			delete(holder, a.name)
		}
		return nil
	case op.op == "replace" && !found && a.kind == list:
		return refuse(400, "No target in PATCH request") // RFC 7644 §3.5.2.3
	case !found && a.kind == list && holder[a.name] != nil:
		return tooMany(a.name)
	}
	add := object{}
	if at.part != nil {
		v, err := p.value(*at.part, join(a.name, at.part.name), op.value)
		if err != nil {
			return err
		}
		if v != nil {
			add[at.part.name] = v
		}
	} else {
		in, ok := op.value.(object)
		if !ok {
			return refuse(400, "Wrong type of value at "+a.name)
		}
		var err error
		if add, err = p.object(a.parts, a.name, in); err != nil {
			return err
		}
	}
	merge(target, add)
	if a.kind == list {
		holder[a.name] = []any{target}
	} else {
		holder[a.name] = target
	}
	return nil
}

// target finds the object that a path leads into, else a new one that is not yet in
// the document; of a filter it has what the filter asks for.
func (p *patch) target(holder object, at location) (object, bool) {
	if at.attribute.kind != list {
		in, ok := holder[at.attribute.name].(object)
		if !ok {
			return object{}, false
		}
		return in, true
	}
	if elements, _ := holder[at.attribute.name].([]any); len(elements) == 1 {
		in := elements[0].(object)
		if at.filter == nil || in[at.filter.name] == at.filter.value {
			return in, true
		}
	}
	if at.filter == nil {
		return object{}, false
	}
	return object{at.filter.name: at.filter.value}, false
}

// inner returns the object under a name, made if it is not there.
func inner(in object, name string) object {
	if out, ok := in[name].(object); ok {
		return out
	}
	out := object{}
	in[name] = out
	return out
}

// prune takes an object out that holds nothing any more.
func prune(in object, name string) {
	if inside, ok := in[name].(object); ok && len(inside) == 0 {
		delete(in, name)
	}
}

// merge overwrites the parts of an object, going down into objects.
func merge(into, from object) {
	for name, v := range from {
		if inside, ok := v.(object); ok {
			merge(inner(into, name), inside)
			continue
		}
		into[name] = v
	}
}
