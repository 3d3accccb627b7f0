package aws

import (
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// Discovery are the documents by which a SCIM service tells what it can do (RFC 7643
// §5 to §7): true of AWS with the gateway in front of it, by the operation that asks
// for them. Locations begin with a slash, to be put behind the Base URL.
func Discovery(settings Settings) map[scim.Operation][]byte {
	c := Contract(settings)
	return map[scim.Operation][]byte{
		scim.GetServiceProviderConfig: []byte(serviceProviderConfig),
		scim.ListResourceTypes:        []byte(resourceTypes),
		scim.ListSchemas: list(
			schemaOf(scim.UserSchema, "User", "User Account", c.Users, ""),
			schemaOf(scim.GroupSchema, "Group", "Group", c.Groups, ""),
			schemaOf(enterprise, "EnterpriseUser", "Enterprise User", c.Users, enterprise+":"),
		),
	}
}

const serviceProviderConfig = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],` +
	`"documentationUri":"https://docs.aws.amazon.com/singlesignon/latest/developerguide/what-is-scim.html",` +
	`"patch":{"supported":true},"bulk":{"supported":false,"maxOperations":0,"maxPayloadSize":0},` +
	`"filter":{"supported":true,"maxResults":100},"changePassword":{"supported":false},"sort":{"supported":false},"etag":{"supported":false},` +
	`"pagination":{"cursor":true,"index":true,"defaultPaginationMethod":"index","defaultPageSize":100,"maxPageSize":100},` +
	`"authenticationSchemes":[{"type":"oauthbearertoken","name":"OAuth Bearer Token","description":"The access token that IAM Identity Center makes under Automatic provisioning",` +
	`"specUri":"https://www.rfc-editor.org/info/rfc6750","primary":true}],` +
	`"meta":{"resourceType":"ServiceProviderConfig","location":"/ServiceProviderConfig"}}`

const resourceTypes = `{"schemas":["` + scim.ListSchema + `"],"totalResults":2,"startIndex":1,"itemsPerPage":2,"Resources":[` +
	`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"User","name":"User","endpoint":"/Users","description":"User Account","schema":"` + scim.UserSchema + `",` +
	`"schemaExtensions":[{"schema":"` + enterprise + `","required":false}],"meta":{"resourceType":"ResourceType","location":"/ResourceTypes/User"}},` +
	`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"Group","name":"Group","endpoint":"/Groups","description":"Group","schema":"` + scim.GroupSchema + `",` +
	`"meta":{"resourceType":"ResourceType","location":"/ResourceTypes/Group"}}]}`

func list(resources ...string) []byte {
	return []byte(`{"schemas":["` + scim.ListSchema + `"],"totalResults":3,"startIndex":1,"itemsPerPage":3,"Resources":[` + strings.Join(resources, ",") + `]}`)
}

// schemaOf writes the rows below a prefix as a schema: what passes through the
// gateway, not what is left out.
func schemaOf(urn, name, description string, rows []rules.Attribute, prefix string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Schema"],"id":"` + urn + `","name":"` + name + `","description":"` + description + `","attributes":[` +
		strings.Join(described(rows, prefix), ",") + `],"meta":{"resourceType":"Schema","location":"/Schemas/` + urn + `"}}`
}

func described(rows []rules.Attribute, prefix string) (list []string) {
	for _, a := range rows {
		name, below := strings.CutPrefix(a.Path, prefix)
		if !below || name == "schemas" || a.Traits&(rules.Unsupported|rules.Noise) != 0 ||
			strings.ContainsAny(name, ".:") { // of another schema, or a part of an attribute
			continue
		}
		is := func(t rules.Traits) string {
			if a.Traits&t != 0 {
				return "true"
			}
			return "false"
		}
		kind := [...]string{rules.Text: "string", rules.Boolean: "boolean", rules.Complex: "complex", rules.Anything: "complex"}[a.Type]
		mutability, unique := "readWrite", "none"
		if a.Traits&rules.ReadOnly != 0 {
			mutability = "readOnly"
		}
		if a.Traits&rules.Identifier != 0 || name == "id" {
			unique = "server"
		}
		text := `{"name":"` + name + `","type":"` + kind + `","multiValued":` + is(rules.Multi) + `,"required":` + is(rules.Required) +
			`,"caseExact":false,"mutability":"` + mutability + `","returned":"default","uniqueness":"` + unique + `"`
		if a.Type == rules.Complex {
			text += `,"subAttributes":[` + strings.Join(described(rows, a.Path+"."), ",") + `]`
		}
		list = append(list, text+"}")
	}
	return list
}
