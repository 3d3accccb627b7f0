package aws

import (
	"strings"
	"testing"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// What clients send in other forms than AWS takes, and what becomes of it. In each row
// stands what is sent, and what is forwarded: "-" if nothing is left of a PATCH, or the
// rule that refuses it.

const (
	oneID   = "c4d8a478-10a1-70de-3d75-96c6bb640001"
	otherID = "c4d8a478-10a1-70de-3d75-96c6bb640002"
)

// frame is what stands around the part of a document that a row is about.
type frame struct {
	target        scim.Target
	before, after string
}

var (
	inUser = frame{scim.Target{Operation: scim.CreateUser}, `{"userName":"ada","name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada",`, `}`}
	// whole documents, for what stands in place of the attributes that are required
	asUser       = frame{scim.Target{Operation: scim.CreateUser}, "", ""}
	asGroup      = frame{scim.Target{Operation: scim.CreateGroup}, "", ""}
	inGroup      = frame{scim.Target{Operation: scim.CreateGroup}, `{"displayName":"Readers",`, `}`}
	inGroupPut   = frame{scim.Target{Operation: scim.ReplaceGroup, ID: fixtureGroup}, `{"displayName":"Readers",`, `}`}
	inUserPatch  = frame{scim.Target{Operation: scim.PatchUser, ID: fixtureUser}, `{"schemas":["` + scim.PatchSchema + `"],"Operations":[`, `]}`}
	inGroupPatch = frame{scim.Target{Operation: scim.PatchGroup, ID: fixtureGroup}, `{"schemas":["` + scim.PatchSchema + `"],"Operations":[`, `]}`}
)

// becomes judges rows of two, with the resource as AWS has it or "".
func (f frame) becomes(t *testing.T, current string, rows ...string) {
	t.Helper()
	f.becomesUnder(t, set(t, Settings{}), current, rows...)
}

func (f frame) becomesUnder(t *testing.T, s *rules.Set, current string, rows ...string) {
	t.Helper()
	for i := 0; i+1 < len(rows); i += 2 {
		var has []byte
		if current != "" {
			has = []byte(current)
		}
		v := s.Judge(f.target, []byte(f.before+rows[i]+f.after), has)
		got := string(v.Document)
		switch inside, ok := strings.CutPrefix(got, f.before); {
		case v.Rejects():
			got = v.Findings[0].ID
			for _, f := range v.Findings {
				if f.ID == rows[i+1] && f.Disposition == rules.Reject {
					got = f.ID
				}
			}
		case v.Nothing:
			got = "-"
		case ok:
			got = strings.TrimSuffix(inside, f.after)
		}
		if got != rows[i+1] {
			t.Errorf("%s\ngot  %s\nwant %s\n%v", rows[i], got, rows[i+1], v.IDs())
		}
	}
}

// PingOne sends two e-mails where one is mapped, the first of them empty.
func TestValuesThatSayNothingAreLeftOut(t *testing.T) {
	const kept = `"emails":[{"value":"a@x.test","primary":true}]`
	inUser.becomes(t, "",
		`"emails":[{"value":""},{"value":"a@x.test"}]`, kept,
		`"emails":[{"value":"","primary":true},{"value":"a@x.test","primary":true}]`, kept,
		`"emails":[{"value":null},{"value":"a@x.test"}]`, kept,
		`"emails":[{"value":" ","primary":true},{"value":"a@x.test"}]`, kept,
		`"emails":[{},null,"",{"value":"a@x.test"}]`, kept,
		`"emails":[{"value":"","type":"work"},{"value":"a@x.test","primary":true},{"value":"b@x.test"}]`, kept,
		`"phoneNumbers":[{"value":"","type":"work"},{"value":"1","type":"mobile"}]`, `"phoneNumbers":[{"value":"1","type":"mobile"}]`,
		`"addresses":[{"type":"work","locality":""},{"streetAddress":"1","locality":"Ely","region":"CAM","postalCode":"CB7","country":"GB"}]`,
		`"addresses":[{"streetAddress":"1","locality":"Ely","region":"CAM","postalCode":"CB7","country":"GB"}]`,
		`"emails":[{"value":""}],"active":true`, `"active":true`,
	)
	inUserPatch.becomes(t, "",
		`{"op":"replace","path":"emails","value":[{"value":""},{"value":"a@x.test"}]}`, `{"op":"replace","path":"emails","value":[{"value":"a@x.test","primary":true}]}`,
		`{"op":"replace","value":{"emails":[{"value":""},{"value":"a@x.test"}]}}`, `{"op":"replace","value":{`+kept+`}}`,
		`{"op":"replace","path":"emails","value":[{"value":""}]}`, `{"op":"remove","path":"emails"}`,
		`{"op":"replace","value":{"emails":[{"value":""}]}}`, `{"op":"remove","path":"emails"}`,
		`{"op":"add","path":"emails","value":[{"value":""}]}`, `-`,
	)
}

// Values that say nothing don't count as values too many.
func TestOnlyMeaningfulValuesAreTooMany(t *testing.T) {
	f := func(members string, many bool) {
		t.Helper()
		v := set(t, Settings{}).Judge(inUser.target, []byte(inUser.before+members+inUser.after), nil)
		if got := strings.Contains(strings.Join(v.IDs(), " "), "SG331"); got != many {
			t.Errorf("%s: got %v, want SG331 to be %v", members, v.IDs(), many)
		}
	}
	f(`"emails":[{"value":""},{"value":"a@x.test"}]`, false)
	f(`"emails":[{"value":"b@x.test"},{"value":"a@x.test"}]`, true)
	f(`"emails":[{"value":"b@x.test"},{"value":""},{"value":"a@x.test"}]`, true)
}

func TestNullsInPatch(t *testing.T) {
	inUserPatch.becomes(t, "",
		`{"op":"replace","path":"title","value":null}`, `{"op":"remove","path":"title"}`,
		`{"op":"add","path":"title","value":null}`, `{"op":"remove","path":"title"}`,
		`{"op":"replace","value":{"title":null,"nickName":"A"}}`, `{"op":"replace","value":{"nickName":"A"}},{"op":"remove","path":"title"}`,
		`{"op":"replace","path":"emails","value":null}`, `{"op":"remove","path":"emails"}`,
		`{"op":"add","path":"emails","value":null}`, `-`,
		`{"op":"add","path":"emails","value":[]}`, `-`,
		`{"op":"add","value":{"emails":null,"nickName":"A"}}`, `{"op":"add","value":{"nickName":"A"}}`,
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":null}`, `{"op":"remove","path":"emails[type eq \"work\"]"}`,
		`{"op":"replace","path":"name.familyName","value":null}`, `SG302`,
		`{"op":"replace","path":"active","value":null}`, `SG504`,
	)
	inGroupPatch.becomes(t, "",
		`{"op":"replace","path":"externalId","value":null}`, `{"op":"remove","path":"externalId"}`,
		`{"op":"replace","path":"displayName","value":null}`, `SG601`,
	)
}

func TestListsInOtherShapes(t *testing.T) {
	inUser.becomes(t, "",
		`"emails":{"value":"a@x.test"}`, `"emails":[{"value":"a@x.test","primary":true}]`,
		`"emails":"a@x.test"`, `"emails":[{"value":"a@x.test","primary":true}]`,
		`"emails":["a@x.test"]`, `"emails":[{"value":"a@x.test","primary":true}]`,
		`"emails":["a@x.test","b@x.test"]`, `"emails":[{"value":"a@x.test","primary":true}]`,
		`"emails":[["a@x.test"]]`, `SG319`,
		`"emails":7`, `SG319`,
		`"addresses":"1 Mill Lane"`, `SG319`,
		`"roles":"Analyst","active":true`, `"active":true`,
	)
	inUserPatch.becomes(t, "",
		`{"op":"replace","path":"emails","value":"a@x.test"}`, `{"op":"replace","path":"emails","value":[{"value":"a@x.test","primary":true}]}`,
		`{"op":"replace","path":"emails[type eq \"work\"]","value":"a@x.test"}`, `SG319`,
	)
}

// Roles that a setting passes on are judged like other lists.
func TestRolesThatAreSent(t *testing.T) {
	inUser.becomesUnder(t, set(t, Settings{Roles: true}), "",
		`"roles":[{"value":"Analyst","type":"work","primary":true}]`, `"roles":[{"value":"Analyst","type":"work","primary":true}]`,
		`"roles":[{"value":"Analyst","display":"A","primary":"True"}]`, `"roles":[{"value":"Analyst","primary":true}]`,
		`"roles":[{"value":"Ana\u200blyst"}]`, `"roles":[{"value":"Analyst"}]`,
		`"roles":[{"value":"Ana\u2002lyst"}]`, `SG314`,
		`"roles":"Analyst"`, `"roles":[{"value":"Analyst"}]`,
		`"roles":[{"value":""},{"value":"Analyst"},{"value":"Writer","primary":true}]`, `"roles":[{"value":"Writer","primary":true}]`,
		`"roles":[],"active":true`, `"active":true`,
	)
}

// A group that is emptied by mistake takes access from everybody in it: what names
// nobody never becomes an empty list.
func TestMembersInOtherShapes(t *testing.T) {
	const one, both = `[{"value":"` + oneID + `"}]`, `[{"value":"` + oneID + `"},{"value":"` + otherID + `"}]`
	for _, f := range []frame{inGroup, inGroupPut} {
		f.becomes(t, "",
			`"members":{"value":"`+oneID+`"}`, `"members":`+one,
			`"members":"`+oneID+`"`, `"members":`+one,
			`"members":["`+oneID+`","`+otherID+`"]`, `"members":`+both,
			`"members":["`+oneID+`",{"value":"`+otherID+`"}]`, `"members":`+both,
			`"members":"ada"`, `SG606`,
			`"members":"`+oneID+`,`+otherID+`"`, `SG606`,
			`"members":[null]`, `SG606`,
			`"members":[{}]`, `SG606`,
			`"members":{}`, `SG606`,
			`"members":[""]`, `SG606`,
			`"members":7`, `SG606`,
			`"members":[{"value":""}]`, `SG602`,
			`"members":[{"type":"User"}]`, `SG602`,
			`"members":null,"externalId":"7"`, `"externalId":"7"`,
			`"members":"","externalId":"7"`, `"externalId":"7"`,
		)
	}
	inGroup.becomes(t, "", `"members":[],"externalId":"7"`, `"externalId":"7"`)
	inGroupPut.becomes(t, "", `"members":[]`, `"members":[]`)
	for _, op := range []string{"add", "replace", "remove"} {
		head := `{"op":"` + op + `","path":"members","value":`
		inGroupPatch.becomes(t, "",
			head+`"`+oneID+`"}`, head+one+`}`,
			head+`["`+oneID+`","`+otherID+`"]}`, head+both+`}`,
			head+`"ada"}`, `SG606`,
			head+`["ada"]}`, `SG606`,
			head+`[null]}`, `SG606`,
			head+`[{}]}`, `SG606`,
			head+`[""]}`, `SG606`,
			head+`{}}`, `SG602`,
			head+`[{"value":""}]}`, `SG602`,
			head+`7}`, `SG606`,
			head+`[]}`, head+`[]}`,
		)
	}
	inGroupPatch.becomes(t, "",
		`{"op":"add","path":"members","value":null}`, `-`,
		`{"op":"add","value":{"members":null,"displayName":"Readers"}}`, `{"op":"add","value":{"displayName":"Readers"}}`,
		`{"op":"replace","path":"members","value":null}`, `SG606`,
		`{"op":"remove","path":"members","value":null}`, `SG606`,
		`{"op":"remove","path":"members","value":""}`, `SG606`,
		`{"op":"replace","value":{"members":null,"displayName":"Readers"}}`, `SG606`,
		`{"op":"replace","value":{"members":["`+oneID+`"]}}`, `{"op":"replace","value":{"members":`+one+`}}`,
	)
}

func TestManagerAsEntraSendsIt(t *testing.T) {
	const path, good = `"path":"` + enterprise + `:manager"`, `{"value":"` + oneID + `"}`
	in := func(manager string) string {
		return `"` + enterprise + `":{"department":"R","manager":` + manager + `}`
	}
	set := func(manager string) string { return `{"op":"replace",` + path + `,"value":` + manager + `}` }
	for _, manager := range []string{`"` + oneID + `"`, `["` + oneID + `"]`, `[{"$ref":null,"value":"` + oneID + `"}]`, `{"$ref":null,"value":"` + oneID + `"}`, good} {
		inUser.becomes(t, "", in(manager), in(good))
		inUserPatch.becomes(t, "", set(manager), set(good))
	}
	for _, manager := range []string{`""`, `[]`, `null`, `{}`, `[null]`, `[""]`, `[{"$ref":null,"value":""}]`, `{"$ref":null,"value":null}`} {
		inUser.becomes(t, "", in(manager), `"`+enterprise+`":{"department":"R"}`)
		inUserPatch.becomes(t, "",
			set(manager), `{"op":"remove",`+path+`}`,
			`{"op":"replace","value":{"`+enterprise+`:manager":`+manager+`}}`, `{"op":"remove",`+path+`}`,
		)
	}
	for _, manager := range []string{`["` + oneID + `","` + otherID + `"]`, `7`} {
		inUser.becomes(t, "", in(manager), `SG319`)
	}
	inUser.becomes(t, "", in(`{"$ref":"../Users/`+oneID+`"}`), `"`+enterprise+`":{"department":"R"}`)
	inUserPatch.becomes(t, "",
		`{"op":"remove",`+path+`,"value":"`+oneID+`"}`, `{"op":"remove",`+path+`}`,
		`{"op":"replace","path":"`+enterprise+`:manager.value","value":""}`, `{"op":"remove",`+path+`}`,
	)
}

func TestPathsInAnotherCase(t *testing.T) {
	inUserPatch.becomes(t, "",
		`{"op":"replace","path":"UserName","value":"ada"}`, `{"op":"replace","path":"userName","value":"ada"}`,
		`{"op":"replace","path":"NAME.familyName","value":"B"}`, `{"op":"replace","path":"name.familyName","value":"B"}`,
		`{"op":"replace","path":"Emails[Type eq \"work\"].Value","value":"a@x.test"}`, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@x.test"}`,
		`{"op":"replace","path":"emails[type EQ \"Work\"].value","value":"a@x.test"}`, `{"op":"replace","path":"emails[type eq \"Work\"].value","value":"a@x.test"}`,
		`{"op":"replace","path":"URN:ietf:params:scim:schemas:extension:Enterprise:2.0:user:Department","value":"R"}`,
		`{"op":"replace","path":"`+enterprise+`:department","value":"R"}`,
		`{"op":"replace","value":{"UserName":"ada","NAME.givenName":"A"}}`, `{"op":"replace","value":{"userName":"ada","name.givenName":"A"}}`,
		`{"op":"replace","path":"Active","value":"False"}`, `{"op":"replace","path":"active","value":false}`,
		`{"op":"remove","path":"Active"}`, `SG504`,
	)
	inGroupPatch.becomes(t, "",
		`{"op":"remove","path":"Members[Value eq \"`+oneID+`\"]"}`, `{"op":"remove","path":"members[value eq \"`+oneID+`\"]"}`,
		`{"op":"add","path":"MEMBERS","value":[{"Value":"`+oneID+`"}]}`, `{"op":"add","path":"members","value":[{"value":"`+oneID+`"}]}`,
	)
}

func TestURNsOfSchemas(t *testing.T) {
	const core, group, names = scim.UserSchema, scim.GroupSchema, `"name":{"givenName":"A","familyName":"B"},"displayName":"A"`
	asUser.becomes(t, "",
		`{"`+core+`":{"userName":"ada",`+names+`}}`, `{"userName":"ada",`+names+`}`,
		`{"userName":"ada","`+core+`":{`+names+`}}`, `{"userName":"ada",`+names+`}`,
		`{"userName":"ada","`+core+`":{"userName":"ada",`+names+`}}`, `{"userName":"ada",`+names+`}`,
		`{"`+core+`":{"userName":"eve"},"userName":"ada",`+names+`}`, `SG347`,
		`{"`+core+`":"ada","userName":"ada",`+names+`}`, `SG347`,
		`{"`+core+`:userName":"ada",`+names+`}`, `{"userName":"ada",`+names+`}`,
		`{"`+core+`:title":"T","userName":"ada","`+core+`":{"title":"T",`+names+`}}`, `{"title":"T","userName":"ada",`+names+`}`,
		`{"`+core+`:title":"T","userName":"ada","`+core+`":{"title":"S",`+names+`}}`, `SG347`,
	)
	asGroup.becomes(t, "", `{"`+group+`":{"displayName":"Readers"}}`, `{"displayName":"Readers"}`)
	inUser.becomes(t, "",
		`"`+enterprise+`:department":"R","`+enterprise+`:division":"D"`, `"`+enterprise+`":{"department":"R","division":"D"}`,
		`"`+enterprise+`:department":"R","`+enterprise+`":{"division":"D"}`, `"`+enterprise+`":{"division":"D","department":"R"}`,
		`"`+enterprise+`:department":"R","`+enterprise+`":{"department":"D"}`, `SG347`,
		`"`+group+`":{"displayName":"Readers"},"active":true`, `"active":true`,
	)
	inUserPatch.becomes(t, "",
		`{"op":"replace","value":{"`+core+`":{"title":"T"}}}`, `{"op":"replace","value":{"title":"T"}}`,
		`{"op":"replace","path":"`+core+`","value":{"title":"T"}}`, `{"op":"replace","value":{"title":"T"}}`,
		`{"op":"remove","path":"`+core+`"}`, `SG347`,
		`{"op":"replace","path":"`+core+`:name.givenName","value":"A"}`, `{"op":"replace","path":"name.givenName","value":"A"}`,
		`{"op":"replace","path":"`+core+`:emails[type eq \"work\"].value","value":"a@x.test"}`, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@x.test"}`,
		`{"op":"replace","value":{"`+core+`:title":"T"}}`, `{"op":"replace","value":{"title":"T"}}`,
		`{"op":"replace","value":{"`+core+`:emails":[{"value":"a@x.test","primary":true}],"emails":[{"value":"b@x.test","primary":true}]}}`,
		`{"op":"replace","value":{"`+core+`:emails":[{"value":"a@x.test","primary":true}],"emails":[{"value":"b@x.test","primary":true}]}}`,
		`{"op":"replace","path":"`+core+`:active","value":"False"}`, `{"op":"replace","path":"active","value":false}`,
		`{"op":"replace","path":"`+group+`:displayName","value":"A"}`, `-`,
	)
	inGroupPatch.becomes(t, "",
		`{"op":"replace","path":"`+group+`:displayName","value":"A"}`, `{"op":"replace","path":"displayName","value":"A"}`,
		`{"op":"replace","path":"`+core+`:displayName","value":"A"}`, `-`,
	)
}

// Of a list, only what the value of a removal names goes.
func TestRemovalsWithValues(t *testing.T) {
	inUserPatch.becomes(t, "",
		`{"op":"remove","path":"title","value":"T"}`, `{"op":"remove","path":"title"}`,
		`{"op":"remove","path":"title","value":null}`, `{"op":"remove","path":"title"}`,
		`{"op":"remove","path":"emails[type eq \"work\"].value","value":"a@x.test"}`, `{"op":"remove","path":"emails[type eq \"work\"].value"}`,
		`{"op":"remove","path":"emails","value":[{"value":"a@x.test","type":"home"}]}`, `{"op":"remove","path":"emails[value eq \"a@x.test\"]"}`,
		`{"op":"remove","path":"phoneNumbers","value":{"type":"fax"}}`, `{"op":"remove","path":"phoneNumbers[type eq \"fax\"]"}`,
		`{"op":"remove","path":"emails","value":["a@x.test","b@x.test"]}`,
		`{"op":"remove","path":"emails[value eq \"a@x.test\"]"},{"op":"remove","path":"emails[value eq \"b@x.test\"]"}`,
		`{"op":"remove","path":"emails","value":[{}]}`, `SG512`,
		`{"op":"remove","path":"displayName","value":"A"}`, `SG304`,
		`{"op":"remove","path":"photos","value":[{"value":"x"}]}`, `-`,
	)
	const some = `{"op":"remove","path":"members","value":[{"value":"` + oneID + `"}]}`
	inGroupPatch.becomes(t, "",
		some, some,
		`{"op":"remove","path":"members"}`, `{"op":"remove","path":"members"}`,
		`{"op":"remove","path":"members[value eq \"`+oneID+`\"]","value":[{"value":"`+otherID+`"}]}`, `{"op":"remove","path":"members[value eq \"`+oneID+`\"]"}`,
		`{"op":"remove","path":"externalId","value":"7"}`, `{"op":"remove","path":"externalId"}`,
	)
}

func TestNamesOfGroups(t *testing.T) {
	for _, name := range []string{"Administrator", "administrator", "AWSAdministrators", "awsADMINISTRATORS", `\u0041dministrator`} {
		asGroup.becomes(t, "", `{"displayName":"`+name+`"}`, `SG307`)
		inGroupPatch.becomes(t, "",
			`{"op":"replace","path":"displayName","value":"`+name+`"}`, `SG307`,
			`{"op":"replace","value":{"displayName":"`+name+`"}}`, `SG307`,
		)
		inUserPatch.becomes(t, "", `{"op":"replace","path":"userName","value":"`+name+`"}`, `SG307`)
		person := `{"op":"replace","path":"displayName","value":"` + name + `"}`
		inUserPatch.becomes(t, "", person, person)
	}
	for _, name := range []string{"a\u3000b", `a\u3000b`} {
		asGroup.becomes(t, "", `{"displayName":"`+name+`"}`, `SG314`)
		inGroupPatch.becomes(t, "", `{"op":"replace","path":"displayName","value":"`+name+`"}`, `SG314`)
		inUser.becomes(t, "", `"nickName":"`+name+`"`, `"nickName":"`+name+`"`)
	}
	asGroup.becomes(t, "", `{"displayName":"Administrators"}`, `{"displayName":"Administrators"}`)
}

func TestSchemasOfMessages(t *testing.T) {
	const operations = `"Operations":[{"op":"remove","path":"title"}]}`
	whole := frame{inUserPatch.target, "", ""}
	for _, schemas := range []string{`[]`, `null`, `"` + scim.PatchSchema + `"`, `["` + scim.UserSchema + `"]`, `["urn:example:x"]`} {
		whole.becomes(t, "", `{"schemas":`+schemas+`,`+operations, `{"schemas":["`+scim.PatchSchema+`"],`+operations)
	}
	for _, schemas := range []string{`[]`, `null`, `"` + scim.UserSchema + `"`, `["urn:example:x"]`} {
		inUser.becomes(t, "", `"schemas":`+schemas+`,"active":true`, `"active":true`)
	}
}

// A PATCH that has never asked for anything is not one of which repairs left nothing:
// whoever sends it takes a success for what it meant.
func TestAPatchWithoutOperationsIsRefused(t *testing.T) {
	const schemas = `"schemas":["` + scim.PatchSchema + `"]`
	for _, of := range []scim.Target{inUserPatch.target, inGroupPatch.target} {
		whole := frame{of, "", ""}
		whole.becomes(t, "",
			`{}`, `SG508`,
			`{`+schemas+`}`, `SG508`,
			`{"schemas":[]}`, `SG508`,
			`{"schemas":["`+scim.UserSchema+`"],"active":false}`, `SG508`,
			`{"active":false}`, `SG508`,
			`{`+schemas+`,"active":false}`, `SG508`,
			`{"displayName":"Readers","members":[{"value":"`+oneID+`"}]}`, `SG508`,
			`{`+schemas+`,"Operation":[{"op":"replace","path":"displayName","value":"Readers"}]}`, `SG508`,
			`{"op":"replace","path":"displayName","value":"Readers"}`, `SG508`,
			`{"Operations":[]}`, `SG508`,
			`{"Operations":null,"active":false}`, `SG508`,
			`{"Operations":{},"active":false}`, `SG508`,
			`{"operations":[],"active":false}`, `SG508`,
			`{"Operations":[{"op":"add","path":"photos","value":[{"value":"x"}]}]}`, `-`,
			`{"operations":[{"op":"add","path":"photos","value":[{"value":"x"}]}]}`, `-`,
		)
	}
}

// Members are selected by an id, or not at all.
func TestFiltersOfMembers(t *testing.T) {
	const byID, other = `members[value eq \"` + oneID + `\"]`, `members[value eq \"` + oneID + `\" or value eq \"` + otherID + `\"]`
	one := `{"op":"remove","path":"` + byID + `"}`
	inGroupPatch.becomes(t, "",
		one, one,
		`{"op":"Remove","path":"Members[Value Eq \"`+oneID+`\"]"}`, one,
		`{"op":"remove","path":"`+other+`"}`, `SG608`,
		`{"op":"remove","path":"members[type eq \"User\"]"}`, `SG608`,
		`{"op":"remove","path":"members[value sw \"c4\"]"}`, `SG608`,
		`{"op":"remove","path":"members[value pr]"}`, `SG608`,
		`{"op":"remove","path":"members[not (value eq \"`+oneID+`\")]"}`, `SG608`,
		`{"op":"remove","path":"members[value eq \"\"]"}`, `SG608`,
		`{"op":"remove","path":"members[value eq \"../x\"]"}`, `SG608`,
		`{"op":"replace","path":"`+byID+`","value":[{"value":"`+otherID+`"}]}`, `SG608`,
		`{"op":"add","path":"`+byID+`","value":{"value":"`+oneID+`"}}`, `SG608`,
		`{"op":"remove","path":"members"}`, `{"op":"remove","path":"members"}`,
	)
}
