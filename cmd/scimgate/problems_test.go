package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

// Rows of rules/TROUBLESHOOTING.md that neither a fixture nor another test shows whole,
// each through the gateway. What a row says there is what has to happen here.

// problem is a scenario of one row.
type problem struct {
	row  string // P1 … C29
	show func(t *testing.T)
}

// problems are all of them; TestEveryProblemIsCovered holds the table to their names.
func problems() []problem {
	return slices.Concat(profiles(), patches(), []problem{
		{"P17", pushOfAnEmptyGroup}, {"P19", removalsFirst}, {"P27", whoIsMissingIsNamed}, {"P28", lostID}, {"P32", createAfterAFailure},
		{"P35", newNameOldExternalID}, {"P39", namesOfAnyScript}, {"P48", refusedToken}, {"P50", oddTokens}, {"P52", burst},
		{"P53", throttled}, {"P56", pagesOfOthers}, {"P58", numbersAsTexts}, {"P61", ignoredDeactivation}, {"P64", goneIsNotMadeAnew},
		{"P68", protectedGroup}, {"P70", namesInOtherCases}, {"P74", changedExternalID}, {"P75", changesOfOneGroup}, {"P78", requestID},
		{"P80", mediaTypes}, {"P83", testUserOfJumpCloud}, {"C12", removalOfNobody}, {"C20", cursorsOfTwoLists},
	})
}

func TestProblems(t *testing.T) {
	for _, p := range problems() {
		t.Run(p.row, p.show)
	}
}

// profile is a user who is created, in what differs from a sound one.
type profile struct {
	row, members string
	switches     string // of the stand-in: "NAME=POSITION"
	settings     rules.Settings
	status       int
	told         string // by the header of findings, or by the refusal
	has          string // at AWS: "path=value; …"; an empty value is an absent one
}

func profiles() (all []problem) {
	const first, second = `{"value":"a@x.test","type":"home"`, `{"value":"b@x.test","type":"work"`
	const home, work = `{"type":"home","streetAddress":"1","locality":"Ely","region":"CAM","postalCode":"CB7","country":"GB"}`, `{"type":"work","streetAddress":"2","locality":"York","region":"YK","postalCode":"YO1","country":"GB"}`
	const enterprise, urn = `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":`, `urn:ietf:params:scim:schemas:extension:enterprise:2\.0:User`
	set := func(rule string, to rules.Disposition) rules.Settings {
		return rules.Settings{Dispositions: map[string]rules.Disposition{rule: to}}
	}
	for _, p := range []profile{
		{row: "P1", members: `"title":"Ad\u200bmiral"`, status: 201, told: "SG313 repair title", has: "title=Admiral"},
		{row: "P1", members: `"externalId":"hr\u200b1"`, status: 400, told: "U+200B at position 3"},
		{row: "P3", members: `"title":"","nickName":null,"name":{"givenName":"Grace","familyName":"Hopper","formatted":""}`, status: 201, told: "SG310 repair title", has: "title=; nickName=; name.formatted="},
		{row: "P5", members: `"title":"R&D: Notes"`, status: 201, told: "SG340 warn title", has: "title=R&D: Notes"},
		{row: "P5", members: `"title":"R&D: Notes"`, settings: set("SG340", rules.Reject), status: 400, told: "SG340"},
		{row: "P5", members: `"title":"R&D: Notes"`, switches: "five-signs=all", status: 400, told: "title"},
		{row: "P6", members: `"title":"Analyst\tNotes"`, status: 201, told: "SG342 warn title", has: "title=Analyst\tNotes"},
		{row: "P6", members: `"title":"Analyst\tNotes"`, settings: set("SG342", rules.Repaired), status: 201, told: "SG342 repair title", has: "title=Analyst Notes"},
		{row: "P7", members: `"emails":[` + first + `},` + second + `,"primary":true}]`, status: 201, told: "SG331 repair emails", has: "emails.#=1; emails.0.value=b@x.test"},
		{row: "P7", members: `"emails":[` + first + `},` + second + `}]`, status: 201, told: "SG331 repair emails", has: "emails.#=1; emails.0.value=b@x.test; emails.0.primary=true"},
		{row: "P8", members: `"phoneNumbers":[{"value":"1","type":"mobile"},{"value":"2","type":"work"},{"value":"3","type":"fax","primary":true}]`, status: 201, told: "SG332 repair phoneNumbers", has: "phoneNumbers.#=1; phoneNumbers.0.value=3"},
		{row: "P8", members: `"phoneNumbers":[{"value":"1","type":"mobile"},{"value":"2","type":"work"}]`, status: 201, told: "SG332 repair phoneNumbers", has: "phoneNumbers.#=1; phoneNumbers.0.value=2"},
		{row: "P8", members: `"phoneNumbers":[{"value":"1","type":"mobile"},{"value":"2","type":"fax"}]`, status: 201, told: "SG332 repair phoneNumbers", has: "phoneNumbers.#=1; phoneNumbers.0.value=1"},
		{row: "P9", members: `"addresses":[` + home + `,` + work + `]`, status: 201, told: "SG333 repair addresses", has: "addresses.#=1; addresses.0.locality=York"},
		{row: "P10", members: `"emails":[` + first + `,"primary":true},` + second + `,"primary":true}]`, status: 201, told: "SG331 repair emails", has: "emails.#=1; emails.0.value=a@x.test"},
		{row: "P10", members: `"emails":[` + first + `,"primary":true},{"value":"a@x.test","type":"other","primary":true}]`, status: 201, told: "SG331 repair emails", has: "emails.#=1; emails.0.type=home"},
		{row: "P11", members: `"password":"x","photos":[],"ims":[{"value":"x"}],"x509Certificates":[{"value":"x"}],"entitlements":[{"value":"x"}],"roles":[]`, status: 201, told: "SG324 repair password", has: "photos=; ims=; x509Certificates=; entitlements=; roles="},
		{row: "P12", members: `"groups":[]`, status: 201, told: "SG324 repair groups", has: "groups="},
		{row: "P13", members: `"emails":[` + first + `,"primary":true,"display":"A"}],"phoneNumbers":[{"value":"1","display":"one"}]`, status: 201, told: "SG325 repair emails", has: "emails.0.display=; phoneNumbers.0.display=; emails.0.value=a@x.test"},
		{row: "P14", members: enterprise + `{"manager":{"value":"","displayName":""}}`, status: 201, told: "SG325 repair urn", has: urn + "="},
		{row: "P14", members: enterprise + `{"department":"R","manager":{"value":"c4d8a478-10a1-70de-3d75-96c6bb640001","displayName":"Ada"}}`, status: 201, told: "SG325 repair urn", has: urn + ".manager.value=c4d8a478-10a1-70de-3d75-96c6bb640001; " + urn + ".manager.displayName="},
		{row: "P14", members: enterprise + `{"manager":"c4d8a478-10a1-70de-3d75-96c6bb640001"}`, status: 201, told: "repair urn", has: urn + ".manager.value=c4d8a478-10a1-70de-3d75-96c6bb640001"},
		{row: "P14", members: enterprise + `{"manager":{"value":"ada@x.test"}}`, status: 201, told: "SG344 warn urn", has: urn + ".manager.value=ada@x.test"},
		{row: "P41", members: `"active":"False"`, status: 201, told: "SG317 repair active", has: "active=false"},
		{row: "P69", members: `"userName":"grace"`, settings: set("SG306", rules.Warn), status: 201, told: "SG306 warn userName", has: "userName=grace"},
		{row: "P71", members: `"phoneNumbers":[{"value":"\u202a+44 1353 555010\u202c","type":"work"}]`, status: 201, told: "SG313 repair phoneNumbers", has: "phoneNumbers.0.value=+44 1353 555010"},
		{row: "P72", members: `"name":{"givenName":"Suharto","familyName":"\u200b"}`, status: 400, told: "SG302"},
		{row: "P72", members: `"name":{"givenName":"Suharto","familyName":"\u200b"}`, settings: rules.Settings{Templates: map[string]string{"name.familyName": "{name.givenName}"}}, status: 201, told: "SG302 repair name.familyName", has: "name.familyName=Suharto"},
		{row: "P73", members: `"externalId":"f:12:ada"`, status: 201, told: "SG341 warn externalId", has: "externalId=f:12:ada"},
		{row: "P73", members: `"externalId":"f:12:ada"`, settings: set("SG341", rules.Reject), status: 400, told: "externalId holds a colon"},
		{row: "P73", members: `"externalId":"f:12:ada"`, switches: "five-signs=identifiers", status: 400, told: "externalId"},
		{row: "P82", members: `"title":"` + strings.Repeat("x", 1025) + `"`, status: 400, told: "title is too long: 1025 characters, AWS takes 1024"},
		{row: "P82", members: `"userName":"` + strings.Repeat("x", 129) + `"`, status: 400, told: "userName is too long: 129 characters, AWS takes 128"},
	} {
		all = append(all, problem{p.row, p.create})
	}
	return all
}

// create makes the user straight and through the gateway: what the gateway mends or
// refuses, AWS refuses, and what it warns of, AWS takes.
func (p profile) create(t *testing.T) {
	positions := standin.Positions{}
	if p.switches != "" {
		if err := positions.Set(p.switches); err != nil {
			t.Fatal(err)
		}
	}
	c := play(t, stage{aws: standin.Options{Switches: positions}, rules: aws.Settings{Settings: p.settings}})
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(`{`+soundUser+`}`), &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{`+p.members+`}`), &doc); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if p.settings.Dispositions == nil && !strings.Contains(p.told, " warn ") {
		c.refusedByAWS("POST", "/Users", string(body))
	}
	r := c.through(p.status, "POST", "/Users", string(body))
	if told := r.header.Get("X-Scimgate-Findings") + r.detail(); !strings.Contains(told, p.told) {
		t.Errorf("got %q for %s, want it told: %s", told, p.members, p.told)
	}
	calls := len(c.aws.Journal())
	if p.status != 201 {
		if p.switches == "" && calls > 1 || len(c.aws.Users()) > 0 { // the first is the one that was sent straight
			t.Errorf("got %d calls for %s, want it refused before it is sent", calls, p.members)
		}
		return
	}
	c.wantHas(r.text("id"), p.has)
}

// wantHas fails unless a user has at AWS what is written as "path=value; …".
func (c *scene) wantHas(id, has string) {
	c.t.Helper()
	u, _ := c.aws.User(id)
	text, err := json.Marshal(u.Document)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, part := range strings.Split(has, "; ") {
		if path, want, _ := strings.Cut(part, "="); gjson.GetBytes(text, path).String() != want {
			c.t.Errorf("got %s at AWS, want %s", text, part)
		}
	}
}

// change is a PATCH of a user that AWS refuses as it is: one with title Dr, an e-mail of
// type work and a manager.
type change struct {
	row, operations string
	switches        string // of the stand-in: "NAME=POSITION"
	status          int
	told            string // by the header of findings, or by the refusal
	has             string // at AWS, as of a profile
}

func patches() (all []problem) {
	const urn = `urn:ietf:params:scim:schemas:extension:enterprise:2\.0:User`
	const title = `{"op":"replace","path":"title","value":"Prof"}`
	manager := func(value string) string {
		return `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":` + value + `}`
	}
	for _, p := range []change{
		{row: "P3", operations: `{"op":"replace","path":"title","value":""}`, status: 200, told: "SG310", has: "title="},
		{row: "P3", operations: `{"op":"add","path":"title","value":null}`, status: 200, told: "SG311", has: "title="},
		{row: "P7", operations: `{"op":"replace","path":"emails","value":[{"value":"a@x.test"},{"value":"b@x.test","primary":true}]}`, status: 200, told: "SG331", has: "emails.#=1; emails.0.value=b@x.test"},
		{row: "P13", operations: `{"op":"replace","path":"emails","value":[{"value":"a@x.test","primary":true,"display":"A"}]}`, status: 200, told: "SG325", has: "emails.0.display=; emails.0.value=a@x.test"},
		{row: "P14", operations: manager(`{"value":""}`), status: 200, told: "SG310", has: urn + ".manager="},
		{row: "P14", operations: manager(`"c4d8a478-10a1-70de-3d75-96c6bb640002"`), status: 200, told: "SG345", has: urn + ".manager.value=c4d8a478-10a1-70de-3d75-96c6bb640002"},
		{row: "P21", operations: `{"op":"replace","value":{"title":"Prof","nickName":"A"}}`, status: 200, has: "title=Prof; nickName=A"},
		{row: "P22", operations: `{"op":"remove"}`, status: 400, told: `SG503`, has: "title=Dr"},
		{row: "P22", operations: `{"op":"remove","value":{"title":"Dr"}}`, status: 400, told: `{"op":"remove","path":"title"}`, has: "title=Dr"},
		{row: "P41", operations: `{"op":"Replace","path":"active","value":"False"}`, status: 200, told: "SG317", has: "active=false"},
		{row: "P42", operations: `{"op":"Replace","path":"title","value":"Prof"},{"op":"ADD","path":"nickName","value":"A"},{"op":"rEmOvE","path":"locale"}`, switches: "op-case=refuse", status: 200, told: "SG501", has: "title=Prof; nickName=A; locale="},
		{row: "P43", operations: `{"op":"replace","value":{"name.givenName":"Augusta","` + strings.ReplaceAll(urn, `\`, "") + `:department":"Engines","Title":"Prof"}}`, status: 200, has: "name.givenName=Augusta; title=Prof; " + urn + ".department=Engines"},
		{row: "C15", operations: `{"path":"title","value":"Prof"}`, status: 400, told: "SG502", has: "title=Dr"},
		{row: "C15", operations: `{"op":"replace","path":"title"}`, status: 400, told: "SG506", has: "title=Dr"},
		{row: "C15", operations: `{"op":"add","path":"title"}`, status: 400, told: "SG506", has: "title=Dr"},
		{row: "C16", operations: title + `,{"op":"add","path":"photos","value":[{"value":"x"}]},{"op":"replace","path":"roles","value":[{"value":"x"}]}`, status: 200, told: "SG321", has: "title=Prof; photos=; roles="},
		{row: "C16", operations: title + `,{"op":"replace","path":"favouriteColour","value":"blue"},{"op":"replace","path":"groups","value":[]}`, status: 200, told: "SG320", has: "title=Prof; favouriteColour=; groups="},
		{row: "C16", operations: `{"op":"replace","value":{"title":"Prof","password":"x","meta":{"version":"1"}}}`, status: 200, told: "SG324", has: "title=Prof; password="},
		{row: "C17", operations: `{"op":"remove","path":"userName"}`, status: 400, told: "SG301", has: "userName=grace@example.test"},
		{row: "C17", operations: `{"op":"remove","path":"active"}`, status: 400, told: "SG504", has: "active=true"},
		{row: "C17", operations: `{"op":"replace","path":"userName","value":"a"},{"op":"replace","path":"userName","value":"b"}`, status: 200, told: "SG510", has: "userName=b"},
		{row: "C17", operations: `{"op":"replace","path":"active","value":false},` + title + `,{"op":"replace","path":"active","value":true}`, status: 200, told: "SG510", has: "title=Prof; active=true"},
	} {
		all = append(all, problem{p.row, p.patch})
	}
	return all
}

// patch sends the change straight and through the gateway.
func (p change) patch(t *testing.T) {
	c := under(t, strings.Fields(p.switches)...)
	id := c.user("grace@example.test", `,"title":"Dr","locale":"en","emails":[{"value":"g@x.test","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"c4d8a478-10a1-70de-3d75-96c6bb640001"}}`)
	if r := c.send(c.direct, "PATCH", "/Users/"+id, patchOf(p.operations)); r.status != 400 {
		t.Errorf("the stand-in alone answers %d to %s, want 400", r.status, p.operations)
	}
	before := len(c.aws.Journal())
	r := c.through(p.status, "PATCH", "/Users/"+id, patchOf(p.operations))
	c.wantWords(r.header.Get("X-Scimgate-Findings")+r.detail(), p.told)
	if n := len(c.aws.Journal()) - before; p.status != 200 && n > 0 {
		t.Errorf("got %d calls for %s, want it refused before it is sent", n, p.operations)
	}
	c.wantHas(id, p.has)
}
