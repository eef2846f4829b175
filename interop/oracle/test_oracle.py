#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the oracle's own parts that need no broker: run this file."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import codec  # noqa: E402 - the folder of this file has to be on the path first
import compare  # noqa: E402
import differences  # noqa: E402
import features  # noqa: E402
import methods  # noqa: E402
from fold import Folder  # noqa: E402
from grammar import make_session  # noqa: E402
from records import Channel, Event  # noqa: E402
from shrink import shrink  # noqa: E402
from steps import show_step  # noqa: E402
from tags import Tags  # noqa: E402
from values import EVERY_TYPE  # noqa: E402


def fold(*events, channel=None):
    """The folded lines of some events on one channel."""
    return Folder().fold({(0, 1): list(events)}, {(0, 1): channel or Channel()})["0.1"]


def deliver(consumer, tag, body=b""):
    """A delivery."""
    event = Event("basic.deliver", {"consumer_tag": consumer, "delivery_tag": tag})
    event.header, event.body = codec.encode_header({}, len(body)), body
    return event


class CodecTest(unittest.TestCase):
    """Encoding and decoding."""

    def test_every_method_survives_a_round_trip(self):
        for name in methods.BY_NAME:
            self.assertEqual(codec.decode_method(codec.encode_method(name, {}))[0], name)

    def test_a_table_of_every_type_survives_a_round_trip(self):
        rows = [(f"k{index}", *value) for index, value in enumerate(EVERY_TYPE)]
        data = codec.encode_table(rows)
        self.assertEqual(codec.encode_table(codec.Reader(data[4:]).table()), data)

    def test_bits_share_octets(self):
        payload = codec.encode_method("queue.declare", {"queue": "q", "durable": 1, "nowait": 1})
        self.assertEqual(payload[8], 0b10010)

    def test_bytes_left_over_are_refused(self):
        with self.assertRaises(codec.Malformed):
            codec.decode_method(codec.encode_method("basic.qos-ok", {}) + b"x")

    def test_every_cut_of_a_frame_is_incomplete(self):
        frame = codec.encode_frame(1, 3, b"payload")
        for size in range(len(frame)):
            self.assertIsNone(codec.take_frame(bytearray(frame[:size])))
        self.assertEqual(codec.take_frame(bytearray(frame)), (1, 3, b"payload"))

    def test_a_wrong_frame_end_is_refused(self):
        with self.assertRaises(codec.Malformed):
            codec.take_frame(bytearray(codec.encode_frame(1, 0, b"", end=0)))


class FoldTest(unittest.TestCase):
    """What is folded away, and what is not."""

    def test_generated_names_are_numbered(self):
        first, second = "amq.gen-" + "a" * 22, "amq.gen-" + "b" * 22
        lines = fold(Event("queue.declare-ok", {"queue": first}),
                     Event("queue.declare-ok", {"queue": second}),
                     Event("queue.declare-ok", {"queue": first}))
        self.assertEqual([line[-3:-1] for line in lines], ["#1", "#2", "#1"])

    def test_a_generated_name_of_another_form_is_shown(self):
        event = Event("queue.declare-ok", {"queue": "amq.gen-short"})
        self.assertIn("amq.gen-short", fold(event)[0])

    def test_grouping_of_confirms_does_not_matter(self):
        one, two, both = (Event("basic.ack", {}) for _ in range(3))
        one.confirmed, two.confirmed, both.confirmed = [1], [2], [1, 2]
        self.assertEqual(fold(one, two), fold(both))

    def test_order_between_consumers_does_not_matter(self):
        def lines(*events):
            channel = Channel()
            channel.no_ack_of = {"a": False, "b": False}
            return fold(*events, channel=channel)
        self.assertEqual(lines(deliver("a", 1, b"x"), deliver("b", 2, b"y")),
                         lines(deliver("b", 1, b"y"), deliver("a", 2, b"x")))

    def test_order_within_a_consumer_matters(self):
        self.assertNotEqual(fold(deliver("a", 1, b"x"), deliver("a", 2, b"y")),
                            fold(deliver("a", 1, b"y"), deliver("a", 2, b"x")))

    def test_a_delivery_before_its_consume_ok_is_remarked(self):
        event = Event("basic.consume-ok", {"consumer_tag": "a"})
        self.assertIn("[order] delivery before its consume-ok", fold(deliver("a", 1), event))
        self.assertNotIn("[order] delivery before its consume-ok", fold(event, deliver("a", 1)))

    def test_a_confirm_before_its_return_is_remarked(self):
        ack, returned = Event("basic.ack", {}), Event("basic.return", {})
        ack.confirmed = [1]
        self.assertIn("[order] confirm before its return", fold(ack, returned))
        self.assertNotIn("[order] confirm before its return", fold(returned, ack))


class TagsTest(unittest.TestCase):
    """Delivery tags in the numbering that both brokers share."""

    def test_a_multiple_settle_never_ends_inside_a_mixed_batch(self):
        tags = Tags()
        tags.deliver([("b", 1, True, "q"), ("a", 2, True, "r")])
        self.assertEqual(tags.resolve("outstanding", 0, True), (2, True))
        tags.settle(2, True, False)
        self.assertEqual(tags.outstanding, [])

    def test_in_a_batch_settled_in_part_it_becomes_single(self):
        tags = Tags()
        tags.deliver([("b", 1, True, "q"), ("a", 2, True, "r")])
        tags.settle(tags.actual_of[1], False, False)
        self.assertEqual(tags.resolve("outstanding", 0, True), (tags.actual_of[2], False))

    def test_deliveries_of_one_queue_to_two_consumers_are_entangled(self):
        tags = Tags()
        tags.deliver([("a", 1, True, "q"), ("b", 2, True, "q"), ("c", 3, True, "r")])
        self.assertTrue(tags.are_entangled(tags.covered(2, True)))
        self.assertFalse(tags.are_entangled([2, 3]))
        self.assertFalse(tags.are_entangled(tags.covered(1, False)))

    def test_a_rollback_gives_tags_back(self):
        tags = Tags()
        tags.deliver([("a", 1, True, "q"), ("a", 2, True, "q")])
        tags.settle(1, False, True)
        self.assertEqual(tags.outstanding, [2])
        tags.rollback()
        self.assertEqual(tags.outstanding, [1, 2])


class CompareTest(unittest.TestCase):
    """Differences, and those kept on purpose."""

    UNKNOWN = ("connection.close reply_code=503 reply_text='COMMAND_INVALID - unknown exchange "
               "type 'x'' class_id=40 method_id=10")
    REFUSED = ("channel.close reply_code=406 reply_text='PRECONDITION_FAILED - unknown exchange "
               "type 'x'' class_id=40 method_id=10")

    def test_equal_answers_do_not_differ(self):
        self.assertEqual(compare.first_difference([{"0.1": ["a"]}], [{"0.1": ["a"], "0.2": []}]),
                         (None, []))

    def test_the_first_difference_is_found(self):
        difference, _explained = compare.first_difference(
            [{"0.1": ["a"]}, {"0.1": ["b"]}, {}], [{"0.1": ["a"]}, {"0.1": ["c"]}, {"0.1": ["d"]}])
        self.assertEqual(difference.step, 1)

    def test_a_missing_line_is_a_difference(self):
        self.assertIsNotNone(compare.first_difference([{"0.1": ["a"]}], [{}])[0])

    def test_a_kept_difference_is_explained_and_ends_the_comparison(self):
        theirs, ours = {"0.0": [self.UNKNOWN]}, {"0.1": [self.REFUSED]}
        self.assertEqual(compare.first_difference([theirs, {"0.1": ["a"]}], [ours, {}]),
                         (None, ["unknown exchange type"]))

    def test_a_kept_difference_about_another_name_is_not_explained(self):
        theirs = {"0.0": [self.UNKNOWN]}
        ours = {"0.1": [self.REFUSED.replace("'x'", "'y'")]}
        self.assertIsNotNone(compare.first_difference([theirs], [ours])[0])

    def test_strange_orders_count_only_against_the_subject(self):
        strange = {"0.1": ["[order] something"]}
        self.assertIsNone(compare.first_difference([strange], [{}])[0])
        self.assertIsNotNone(compare.first_difference([{}], [strange])[0])

    def test_entries_are_well_formed(self):
        for entry in differences.ENTRIES:
            self.assertTrue(entry.reason)
            for patterns in (entry.theirs, entry.ours):
                self.assertIsInstance(patterns, tuple, entry.name)
                self.assertTrue(all(len(pattern) > 5 for pattern in patterns), entry.name)


class SessionTest(unittest.TestCase):
    """Sessions and their shrinking."""

    def test_a_seed_always_gives_the_same_session(self):
        chosen = features.chosen()
        self.assertEqual(make_session(7, 60, chosen), make_session(7, 60, chosen))
        self.assertNotEqual(make_session(7, 60, chosen), make_session(8, 60, chosen))

    def test_every_step_can_be_shown_under_every_feature(self):
        for chosen in (features.chosen(), features.chosen(enable=features.NAMES),
                       features.chosen(disable=features.NAMES)):
            for seed in range(30):
                session = make_session(seed, 60, chosen)
                self.assertEqual(len(session.steps), 60)
                self.assertTrue(all(show_step(step) for step in session.steps))

    def test_every_feature_changes_what_sessions_do(self):
        chosen = features.chosen()
        usual = [make_session(seed, 60, chosen).steps for seed in range(30)]
        for name in features.NAMES:
            other = chosen.symmetric_difference({name})
            changed = [make_session(seed, 60, other).steps for seed in range(30)]
            self.assertNotEqual(usual, changed, name)

    def test_an_unknown_feature_is_refused(self):
        with self.assertRaises(ValueError):
            features.chosen(enable=["no_such_feature"])

    def test_shrinking_keeps_exactly_what_is_needed(self):
        needed = {3, 17, 41}
        self.assertEqual(shrink(list(range(60)), lambda kept: needed <= set(kept), 10.0),
                         sorted(needed))


if __name__ == "__main__":
    unittest.main()
