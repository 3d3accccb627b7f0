package standin

// serviceProviderConfig is the guide's example, kept as misleading as it is: AWS pages
// by 100, not 50, and does not say that it pages by cursor.
func (s *Server) serviceProviderConfig(*request) (answer, error) {
	return answer{status: 200, body: []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],` +
		`"documentationUri":"https://docs.aws.amazon.com/singlesignon/latest/userguide/manage-your-identity-source-idp.html",` +
		`"authenticationSchemes":[{"type":"oauthbearertoken","name":"OAuth Bearer Token","description":"Authentication scheme using the OAuth Bearer Token Standard",` +
		`"specUri":"https://www.rfc-editor.org/info/rfc6750","documentationUri":"https://docs.aws.amazon.com/singlesignon/latest/userguide/provision-automatically.html","primary":true}],` +
		`"patch":{"supported":true},"bulk":{"supported":false,"maxOperations":1,"maxPayloadSize":1048576},` +
		`"filter":{"supported":true,"maxResults":50},"changePassword":{"supported":false},"sort":{"supported":false},"etag":{"supported":false}}`)}, nil
}

// schema is one of the three, without schemas of its own and with a relative location.
func schema(urn, name string, rows []attribute) object {
	return object{
		"id": urn, "name": name, "description": name, "attributes": described(rows),
		"meta": object{"resourceType": "Schema", "location": "/v2/Schemas/" + urn},
	}
}

// described renders rows as RFC 7643 §7 does, with what AWS's example says: neither
// displayName required nor group names unique, though both are so.
func described(rows []attribute) []any {
	out := []any{}
	for _, a := range rows {
		if a.name == enterpriseURN {
			continue
		}
		kinds := [...]string{text: "string", boolean: "boolean", complex: "complex", list: "complex"}
		d := object{"name": a.name, "type": kinds[a.kind], "multiValued": a.kind == list, "description": a.name,
			"required": a.has(required) && a.name != "displayName", "caseExact": false,
			"mutability": "readWrite", "returned": "default", "uniqueness": "none"}
		if a.name == "userName" {
			d["uniqueness"] = "server"
		}
		if len(a.parts) > 0 {
			d["subAttributes"] = described(a.parts)
		}
		out = append(out, d)
	}
	return out
}

func schemas() []any {
	members := append(groups.attributes[:len(groups.attributes):len(groups.attributes)],
		attribute{name: "members", kind: list, parts: memberParts})
	return []any{
		schema(userURN, "User", users.attributes),
		schema(groupURN, "Group", members),
		schema(enterpriseURN, "EnterpriseUser", enterprise()),
	}
}

func (s *Server) listSchemas(*request) (answer, error) { return listing(schemas()), nil }

func (s *Server) getSchema(rq *request) (answer, error) {
	for _, v := range schemas() {
		if v.(object)["id"] == rq.id {
			return answer{status: 200, body: marshal(v)}, nil
		}
	}
	return answer{}, refuse(404, "")
}

// listResourceTypes marks the extension required, as AWS does, though it is not.
func (s *Server) listResourceTypes(*request) (answer, error) {
	extension := []any{object{"schema": enterpriseURN, "required": true}}
	var types []any
	for _, t := range []*resourceType{&users, &groups} {
		one := object{"id": t.name, "name": t.name, "description": t.name, "endpoint": "/" + t.name + "s", "schema": t.urn,
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"},
			"meta":    object{"resourceType": "ResourceType", "location": "/v2/ResourceTypes/" + t.name}}
		if t == &users {
			one["schemaExtensions"] = extension
		}
		types = append(types, one)
	}
	return listing(types), nil
}

func listing(all []any) answer {
	n := len(all)
	return answer{status: 200, body: marshal(object{"schemas": []string{listURN}, "totalResults": n,
		"itemsPerPage": n, "startIndex": 1, "Resources": all})}
}
