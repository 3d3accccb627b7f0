package standin

// Names of invented people, in several scripts.
var (
	givenNames  = []string{"Ada", "Zoë", "Мария", "Ἑλένη", "明", "יעל", "Nuño", "Şebnem", "Łucja", "আনিকা"}
	familyNames = []string{"Byron", "O’Neill", "Иванова", "Παππάς", "佐藤", "כהן", "García-Díaz", "Yılmaz", "Żak", "রহমান", "Øst"}
)

// populate puts invented users and groups into the store. Every user is in one group.
func (s *Server) populate(people, teams int) {
	inTeam := make([][]string, max(teams, 1))
	for n := range people {
		given, family := givenNames[n%len(givenNames)], familyNames[n%len(familyNames)]
		name := "person" + itoa(n+1) + "@example.test"
		id, err := s.AddUser(string(marshal(object{
			"userName": name, "externalId": "seed-" + itoa(n+1), "displayName": given + " " + family, "active": true,
			"name":   object{"givenName": given, "familyName": family},
			"emails": []any{object{"value": name, "type": "work", "primary": true}},
		})))
		if err != nil {
			panic("BUG: " + err.Error())
		}
		inTeam[n%len(inTeam)] = append(inTeam[n%len(inTeam)], id)
	}
	for n := range teams {
		if _, err := s.AddGroup(string(marshal(object{"displayName": "Team " + itoa(n+1)})), inTeam[n]...); err != nil {
			panic("BUG: " + err.Error())
		}
	}
}
