package okta

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Person is somebody in Okta with an assignment to the app.
type Person struct {
	ID     string // Okta's own, "00u…"
	Label  string // for people who watch
	Fault  *Fault // what is wrong with the profile, or nil
	Active bool   // in Okta

	profile []member          // in the order in which Okta sends it
	expect  map[string]string // what AWS should hold, by path
}

// Group is a push group.
type Group struct {
	Name    string
	Members []*Person
}

// Population is what Okta has.
type Population struct {
	People []*Person
	Groups []*Group
}

// member is one attribute of a profile: a name and a JSON value.
type member struct{ name, raw string }

// names are people's names in many scripts: given and family.
var names = [...][2]string{
	{"Ada", "Lovelace"}, {"José", "Núñez"}, {"Zoë", "Krüger"}, {"Σοφία", "Παπαδοπούλου"}, {"Дмитрий", "Соколов"}, {"أمل", "الخطيب"}, {"נועה", "לוי"},
	{"आरती", "शर्मा"}, {"小明", "王"}, {"さくら", "田中"}, {"지우", "김"}, {"สมชาย", "ใจดี"}, {"Nguyễn", "Thị Hoa"}, {"Aşkın", "Öztürk"}, {"Łukasz", "Wójcik"},
	{"Siobhán", "O’Brien"}, {"Jean-Luc", "d’Arc"}, {"Նարե", "Պետրոսյան"}, {"ნინო", "ბერიძე"}, {"தமிழ்", "செல்வன்"}, {"Björk", "Guðmundsdóttir"}, {"Mia", "van der Berg"},
}

// New makes an organisation: as many people and groups as asked for, the same for
// the same seed. About a third of the people have a fault, each of the faults in
// turn; the first group has the most members, the last none.
func New(people, groups, largest int, seed uint64) *Population {
	random := rand.New(rand.NewPCG(seed, 1))
	p := &Population{}
	for i := range people {
		p.People = append(p.People, person(i, random))
	}
	fault := 0
	for i, one := range p.People {
		if i%3 == 1 {
			one.Fault = &Faults[fault%len(Faults)]
			one.Fault.apply(one)
			fault++
		}
	}
	for i := range groups {
		g := &Group{Name: fmt.Sprintf("AWS Team %02d %s", i+1, names[i%len(names)][0])}
		size := min(largest, people) * (groups - 1 - i) / max(groups-1, 1)
		for _, at := range random.Perm(people)[:size] {
			g.Members = append(g.Members, p.People[at])
		}
		p.Groups = append(p.Groups, g)
	}
	return p
}

func person(i int, random *rand.Rand) *Person {
	given, family := names[random.IntN(len(names))][0], names[random.IntN(len(names))][1]
	login := fmt.Sprintf("person%04d@example.test", i)
	p := &Person{ID: fmt.Sprintf("00u%017d", i), Label: given + " " + family, Active: true, expect: map[string]string{}}
	p.set("schemas", `["urn:ietf:params:scim:schemas:core:2.0:User"]`)
	p.set("userName", quote(login))
	p.set("name", `{"givenName":`+quote(given)+`,"familyName":`+quote(family)+`}`)
	p.set("emails", `[{"primary":true,"value":`+quote(login)+`,"type":"work"}]`)
	p.set("displayName", quote(given+" "+family))
	p.set("locale", `"en-US"`)
	p.set("externalId", quote(p.ID))
	p.set("title", quote(fmt.Sprintf("Engineer %d", i)))
	p.want("userName", login, "name.givenName", given, "name.familyName", family, "displayName", given+" "+family,
		"emails", login, "externalId", p.ID, "locale", "en-US", "title", fmt.Sprintf("Engineer %d", i))
	if i%4 == 0 {
		p.set("phoneNumbers", `[{"value":"+44 1353 555010","type":"work"}]`)
		p.want("phoneNumbers", "+44 1353 555010")
	}
	if i%5 == 0 {
		p.set("addresses", `[`+address("")+`]`)
		p.want("addresses.streetAddress", "1 Mill Lane", "addresses.locality", "Ely", "addresses.region", "CAM", "addresses.postalCode", "CB7 1AA", "addresses.country", "GB")
	}
	return p
}

var addressParts = [...][2]string{{"streetAddress", "1 Mill Lane"}, {"locality", "Ely"}, {"region", "CAM"}, {"postalCode", "CB7 1AA"}, {"country", "GB"}}

// address is a work address that lacks one part: it is sent as an empty text, as
// Okta does with what is mapped and has no value.
func address(lacking string) string {
	parts := []string{`"type":"work"`}
	for _, p := range addressParts {
		value := p[1]
		if p[0] == lacking {
			value = ""
		}
		parts = append(parts, quote(p[0])+`:`+quote(value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (p *Person) set(name, raw string) {
	for i := range p.profile {
		if p.profile[i].name == name {
			p.profile[i].raw = raw
			return
		}
	}
	p.profile = append(p.profile, member{name, raw})
}

func (p *Person) drop(name string) {
	for i := range p.profile {
		if p.profile[i].name == name {
			p.profile = append(p.profile[:i], p.profile[i+1:]...)
			return
		}
	}
}

// want sets what AWS should hold: paths and values in turn; "" for nothing.
func (p *Person) want(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		p.expect[pairs[i]] = pairs[i+1]
	}
}

// login is the userName that Okta sends.
func (p *Person) login() string {
	for _, m := range p.profile {
		if m.name == "userName" {
			return unquote(m.raw)
		}
	}
	return ""
}

// Mendable tells whether the person can get to AWS without somebody mending the
// profile first.
func (p *Person) Mendable() bool { return p.Fault == nil || !p.Fault.OnlyPerson }
