package okta

import "strings"

// Fault is something that administrators report of profiles.
type Fault struct {
	Name       string
	OnlyPerson bool // nothing but a person can mend it: the user doesn't get to AWS
	apply      func(*Person)
}

const (
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	zeroWidth  = "\u200b"
)

// Faults are those that people of a population have.
var Faults = []Fault{
	{"displayName is not mapped", false, func(p *Person) { p.drop("displayName") }},
	{"no last name", true, func(p *Person) { p.set("name", `{"givenName":"Suharto","familyName":""}`) }},
	{"no first name", true, func(p *Person) { p.set("name", `{"givenName":null,"familyName":"Suharto"}`) }},
	{"a last name of blanks", true, func(p *Person) { p.set("name", `{"givenName":"Teller","familyName":"  "}`) }},
	{"empty texts", false, func(p *Person) {
		p.set("title", `""`)
		p.set("nickName", `""`)
		p.set("timezone", `""`)
		p.want("title", "")
	}},
	{"nulls", false, func(p *Person) {
		p.set("title", `null`)
		p.set("preferredLanguage", `null`)
		p.want("title", "")
	}},
	{"an address without street", false, halfAddress("streetAddress")},
	{"an address without city", false, halfAddress("locality")},
	{"an address without state", false, halfAddress("region")},
	{"an address without zip code", false, halfAddress("postalCode")},
	{"an address without country", false, halfAddress("country")},
	{"a second e-mail", false, func(p *Person) {
		p.set("emails", `[{"value":"home@example.test","type":"home","primary":false},{"primary":true,"value":`+quote(p.login())+`,"type":"work"}]`)
	}},
	{"two primary e-mails", false, func(p *Person) {
		p.set("emails", `[{"primary":true,"value":`+quote(p.login())+`,"type":"work"},{"primary":true,"value":"","type":"home"}]`)
	}},
	{"three phones", false, func(p *Person) {
		p.set("phoneNumbers", `[{"value":"+44 7700 900123","type":"mobile"},{"value":"+44 1353 555011","type":"work"},{"value":"+44 1353 555012","type":"fax"}]`)
		p.want("phoneNumbers", "+44 1353 555011")
	}},
	{"an invisible character in the first name", false, func(p *Person) {
		p.set("name", `{"givenName":"Mar`+zeroWidth+`ia","familyName":"Curie"}`)
		p.want("name.givenName", "Maria", "name.familyName", "Curie")
	}},
	{"marks of direction in the phone", false, func(p *Person) {
		p.set("phoneNumbers", `[{"value":"`+"\u202a"+`+44 1353 555013`+"\u202c"+`","type":"work"}]`)
		p.want("phoneNumbers", "+44 1353 555013")
	}},
	{"a control character in the title", false, func(p *Person) {
		p.set("title", `"Engi\u0007neer"`)
		p.want("title", "Engineer")
	}},
	{"entitlements", false, func(p *Person) { p.set("entitlements", `[{"value":"admin"}]`) }},
	{"roles", false, func(p *Person) { p.set("roles", `[{"value":"Analyst","primary":true}]`) }},
	{"an empty list of photos", false, func(p *Person) { p.set("photos", `[]`) }},
	{"a manager by name only", false, func(p *Person) {
		p.set(enterprise, `{"department":"Research","manager":{"value":"","displayName":"The Boss"}}`)
		p.want(enterprise+":department", "Research")
	}},
	{"a number for a text", false, func(p *Person) {
		p.set(enterprise, `{"employeeNumber":417}`)
		p.want(enterprise+":employeeNumber", "417")
	}},
	{"a title of 1,100 characters", true, func(p *Person) { p.set("title", quote(strings.Repeat("x", 1100))) }},
	{"a blank in the username", true, func(p *Person) { p.set("userName", quote("with blank "+p.login())) }},
	{"an invisible character in the username", true, func(p *Person) { p.set("userName", quote(zeroWidth+p.login())) }},
	{"a username of 140 characters", true, func(p *Person) { p.set("userName", quote(strings.Repeat("y", 127)+p.login()[6:])) }},
	{"an attribute that AWS doesn't have", false, func(p *Person) { p.set("favouriteColour", `"blue"`) }},
	{"a schema that AWS doesn't have", false, func(p *Person) { p.set("urn:example:params:2.0:Badge", `{"number":"7"}`) }},
}

func halfAddress(lacking string) func(*Person) {
	return func(p *Person) {
		p.set("addresses", `[`+address(lacking)+`]`)
		for _, part := range addressParts {
			p.want("addresses."+part[0], "")
		}
	}
}
