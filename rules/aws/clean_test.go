package aws

import (
	"testing"

	"github.com/scimgate/scimgate/rules/scim"
)

// cleanCreate is a create of 1.2 kB as Okta sends it, with nothing wrong.
const cleanCreate = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],` +
	`"externalId":"00u1a2b3c4d5e6f7g8h9","userName":"ada.byron@example.test","name":{"formatted":"Dr. Ada Katherine Byron","familyName":"Byron","givenName":"Ada",` +
	`"middleName":"Katherine","honorificPrefix":"Dr."},"displayName":"Ada Byron","nickName":"Ada","profileUrl":"https://people.example.test/ada",` +
	`"emails":[{"value":"ada.byron@example.test","type":"work","primary":true}],"addresses":[{"type":"work","streetAddress":"1 Mill Lane","locality":"Ely",` +
	`"region":"CAM","postalCode":"CB7 1AA","country":"GB","formatted":"1 Mill Lane, Ely CB7 1AA, Cambridgeshire","primary":true}],` +
	`"phoneNumbers":[{"value":"+44 1353 555010","type":"work"}],"userType":"Employee","title":"Analyst of the Engine and Writer of its Notes","preferredLanguage":"en-GB",` +
	`"locale":"en-GB","timezone":"Europe/London","active":true,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"417",` +
	`"costCenter":"C9","organization":"Analytical Engines","division":"Research","department":"Notes and Translations",` +
	`"manager":{"value":"c4d8a478-10a1-70de-3d75-96c6bb640001","$ref":"../Users/c4d8a478-10a1-70de-3d75-96c6bb640001"}}}`

func BenchmarkCleanCreate(b *testing.B) {
	set, err := New(Settings{})
	if err != nil {
		b.Fatal(err)
	}
	body, target := []byte(cleanCreate), scim.Target{Operation: scim.CreateUser}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if v := set.Judge(target, body, nil); v.Findings != nil {
			b.Fatal(v.IDs())
		}
	}
}
