package aws

// Limits are the numbers of the AWS endpoint that plans and budgets need.
type Limits struct {
	Members int // membership changes in one request (SCIM developer guide, PatchGroup, CreateGroup)
	Page    int // resources on one page of a list (SCIM developer guide, ListUsers, ListGroups)

	// Per second and identity store (IAM Identity Center user guide, quotas).
	// How many membership changes AWS takes is not published: Memberships is
	// assumed.
	Writes, Reads, Memberships float64
}

// Published are the limits as AWS publishes them.
var Published = Limits{Members: 100, Page: 100, Writes: 25, Reads: 40, Memberships: 125}
