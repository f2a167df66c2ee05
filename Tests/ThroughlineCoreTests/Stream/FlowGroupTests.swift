internal import Testing
internal import ThroughlineCore

/// Who of the ingests of a group is needed, and who is given back to be stopped.
@Suite struct FlowGroupTests {
    private final class Ingest {}

    private let a = Ingest()
    private let b = Ingest()
    private let event = ChangeEvent(cause: .reset, detail: "")

    @Test func whatIsReadAndNotHeldIsGivenBack() {
        var group = FlowGroup<Ingest>()
        group.reads(a)
        #expect(group.readsNoMore() === a)
        #expect(group.read == nil && group.readsNoMore() == nil)
    }

    @Test func whatIsToBeLeftIsKeptUntilAnotherHasJoined() {
        var group = FlowGroup<Ingest>()
        group.reads(a)
        group.leaves(a)
        #expect(group.readsNoMore() == nil && group.leaving === a)
        #expect(group.joined(b) === a)
        #expect(group.leaving == nil && group.hasNext)
        #expect(group.takeNext() === b && !group.hasNext)
    }

    @Test func whatIsToBeLeftIsReadOnWhereNobodyElseCanBeHad() {
        var group = FlowGroup<Ingest>()
        group.reads(a)
        group.leaves(a)
        _ = group.readsNoMore()
        #expect(group.takeLeaving() === a && group.takeLeaving() == nil)
    }

    @Test func whatIsReadOnIsNotGivenBack() {
        var group = FlowGroup<Ingest>()
        group.leaves(a)
        group.readsOn(a)
        #expect(group.isReadOn && group.readsNoMore() == nil && !group.isReadOn)
        #expect(group.leaving === a)
    }

    @Test func theFirstFailureOfWhatIsToBeLeftCounts() {
        var group = FlowGroup<Ingest>()
        group.fails(event)
        #expect(group.failure == nil, "nothing is to be left")
        group.leaves(a)
        group.fails(event)
        group.fails(ChangeEvent(cause: .silence, detail: ""))
        #expect(group.failure == event && group.leaving === a)
        group.leaves(a)
        #expect(group.failure == nil, "it was played on, and is to be left anew")
    }

    /// The bytes of one that is read broke, and another ingest has joined while it waits for an answer.
    @Test func whatIsReadIsGivenBackOnceItIsReadNoMore() {
        var group = FlowGroup<Ingest>()
        group.reads(a)
        #expect(group.joined(b) == nil)
        #expect(group.readsNoMore() === a)
        #expect(group.takeNext() === b)
    }

    @Test func oneThatHasJoinedIsNeverDisplaced() {
        var group = FlowGroup<Ingest>()
        group.reads(a)
        _ = group.joined(b)
        group.leaves(a)
        group.ended(a)
        group.stands(a)
        #expect(group.hasNext && group.readsNoMore() === a)
        #expect(group.takeNext() === b)
    }

    @Test func whatHasEndedIsPlayedOutOrDismissed() {
        var group = FlowGroup<Ingest>()
        group.reads(a)
        group.ended(a)
        #expect(group.leaving == nil, "it cannot be read on")
        #expect(group.readsNoMore() == nil)
        #expect(group.takeEnded() === a && group.takeEnded() == nil)
        group.ended(a)
        #expect(group.dismiss() === a && group.dismiss() == nil)
    }

    @Test func anEndThatStandsCanBeTakenBack() {
        var group = FlowGroup<Ingest>()
        group.stands(a)
        #expect(group.endStands && group.leaving === a && group.failure == nil)
        #expect(group.joined(b) === a && !group.endStands)
    }
}
