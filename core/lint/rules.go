package lint

import "github.com/breakwater-ci/breakwater/core"

// A rule is a practice, and how to see that a plan does not follow it.
type rule struct {
	core.Practice
	find func(Subject) []fault
}

// Where the practices are written down.
const (
	safeDeployments = "Amazon Builders' Library, Automating safe, hands-off deployments: "
	bestPractice    = "AWS Well-Architected Framework, "
	workbook        = "SRE Workbook, "
)

// mutableVersion is the one rule that needs to know the version.
const mutableVersion = "BW010"

// rules has every rule that looks at a plan, sorted. An id is never used again for something else.
var rules = []rule{
	{core.Practice{
		ID: "BW001", Name: "no-bake", Level: core.LevelError,
		Title: "A wave does not bake",
		Why:   "What is slow to show is not seen before the next wave has it too.",
		Do:    "Set bake.min: an hour after the first wave, and at least half an hour after each other.",
		From:  bestPractice + "REL08-BP05",
	}, noBake},
	{core.Practice{
		ID: "BW002", Name: "short-bake", Level: core.LevelWarning,
		Title: "A bake is shorter than its checks can see",
		Why:   "A check that has not looked often enough cannot fail, so the wave passes unseen.",
		Do:    "Make bake.min longer, or look more often with bake.every.",
		From:  safeDeployments + "Bake time",
	}, shortBake},
	{core.Practice{
		ID: "BW003", Name: "no-checks", Level: core.LevelError,
		Title: "The plan has no checks",
		Why:   "Without a check a bake only waits: a bad release goes everywhere.",
		Do:    "Add a check for errors and one for latency under the key checks.",
		From:  bestPractice + "REL08-BP05",
	}, noChecks},
	{core.Practice{
		ID: "BW004", Name: "no-rollback", Level: core.LevelError,
		Title: "A bad release stays out until a human comes",
		Why:   "A rollback that starts by itself is often under way before anybody is awake.",
		Do:    "Set rollback.when to [deploy, check], or leave it out.",
		From:  safeDeployments + "Metrics monitoring and auto-rollback",
	}, noRollback},
	{core.Practice{
		ID: "BW005", Name: "big-first-wave", Level: core.LevelWarning,
		Title: "The first wave takes more than 10% of the weight",
		Why:   "The first wave meets what no test has found, so it should meet as few users as possible.",
		Do:    "Begin with one small target of at most 10%; set weight where targets differ in traffic.",
		From:  safeDeployments + "One-box and rolling deployments",
	}, bigFirstWave},
	{core.Practice{
		ID: "BW006", Name: "steep-growth", Level: core.LevelWarning,
		Title: "A wave is more than three times as large as the one before",
		Why:   "What a small wave could not show then meets many users at once.",
		Do:    "Put a wave in between, or split with growth 2 and a max.",
		From:  safeDeployments + "Staggered deployments",
	}, steepGrowth},
	{core.Practice{
		ID: "BW007", Name: "wide-early-wave", Level: core.LevelWarning,
		Title: "An early wave takes two regions or zones at once",
		Why:   "Regions and zones are there so that one of them can fail; a bad release in two takes that away.",
		Do:    "Give each region, and each zone of the first regions, a wave of its own: select by its label, or split by it.",
		From:  safeDeployments + "Production deployments",
	}, wideEarlyWave},
	{core.Practice{
		ID: "BW008", Name: "busy-first-wave", Level: core.LevelWarning,
		Title: "The first wave is in the busiest region",
		Why:   "A bad release does the most harm where most users are.",
		Do:    "Begin in a region with few requests; set weight if the numbers of targets do not tell which one that is.",
		From:  safeDeployments + "Staggered deployments",
	}, busyFirstWave},
	{core.Practice{
		ID: "BW009", Name: "no-deploy-timeout", Level: core.LevelNote,
		Title: "The deploy has no timeout of its own",
		Why:   "A deploy that hangs holds the wave up for the default of 30m, half-way out.",
		Do:    "Set deploy.timeout to about twice what a deploy takes.",
		From:  bestPractice + "REL05-BP05",
	}, noDeployTimeout},
	{core.Practice{
		ID: mutableVersion, Name: "mutable-version", Level: core.LevelError,
		Title: "The version is a name that moves",
		Why:   "Such a name is another build tomorrow: waves get different ones, and a rollback may put the bad one back.",
		Do:    "Release a commit, a digest, or a tag that never moves.",
		From:  bestPractice + "REL08-BP04",
	}, findMutableVersion},
	{core.Practice{
		ID: "BW011", Name: "no-pre-production", Level: core.LevelNote,
		Title: "No wave is a pre-production environment",
		Why:   "What could have been found without users is found by them.",
		Do:    "Begin with a wave of targets that have the label tier: staging, set requires to the statuses or builds of your tests, or keep this plan and release there with one of its own.",
		From:  safeDeployments + "Backward compatibility and one-box testing",
	}, noPreProduction},
	{core.Practice{
		ID: "BW012", Name: "no-proof", Level: core.LevelWarning,
		Title: "Nothing proves which version runs",
		Why:   "A deploy can end well while the old version goes on serving, and then that one is judged.",
		Do:    "Set current: {run: ...} to a command that prints the version that a target runs.",
		From:  workbook + "chapter 16, Canarying Releases",
	}, noProof},
	{core.Practice{
		ID: "BW013", Name: "short-memory", Level: core.LevelWarning,
		Title: "A source forgets before a bake is over",
		Why:   "The traffic that until counts is that of the whole bake; what is forgotten is not counted.",
		Do:    "Set retention of the source to at least bake.max.",
		From:  safeDeployments + "Bake time",
	}, shortMemory},
	{core.Practice{
		ID: "BW014", Name: "only-notifies", Level: core.LevelWarning,
		Title: "A check only notifies when it fails",
		Why:   "The rollout goes on while somebody reads the message.",
		Do:    "Let it halt or roll back, or make it a shadow until it has earned trust.",
		From:  safeDeployments + "Metrics monitoring and auto-rollback",
	}, onlyNotifies},
	{core.Practice{
		ID: "BW015", Name: "all-shadow", Level: core.LevelError,
		Title: "Every check is a shadow",
		Why:   "Shadows are judged and never acted on: nothing can stop a bad release.",
		Do:    "Let at least one check act; breakwater history shows which has been right.",
		From:  bestPractice + "REL08-BP05",
	}, allShadow},
}

// The practices of waivers. They cannot be waived.
var (
	expiredWaiver = core.Practice{
		ID: "BW016", Name: "expired-waiver", Level: core.LevelError,
		Title: "A waiver has ended",
		Why:   "An exception with an end is a promise, and this one was due.",
		Do:    "Mend what it waives, or decide again and give it a new end.",
		From:  "README.md, Lint",
	}
	idleWaiver = core.Practice{
		ID: "BW017", Name: "idle-waiver", Level: core.LevelNote,
		Title: "A waiver waives nothing",
		Why:   "It would hide what comes later.",
		Do:    "Remove it.",
		From:  "README.md, Lint",
	}
)

// Practices lists every rule, sorted by id.
func Practices() []core.Practice {
	var all []core.Practice
	for _, r := range rules {
		all = append(all, r.Practice)
	}
	return append(all, expiredWaiver, idleWaiver)
}

// Waivable lists the ids of the rules that a plan may waive, sorted.
func Waivable() []string {
	var ids []string
	for _, r := range rules {
		ids = append(ids, r.ID)
	}
	return ids
}
