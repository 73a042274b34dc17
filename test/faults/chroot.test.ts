import test from 'ava';
import { testFaults } from '../support/faults/tests.ts';

testFaults(test, 'chroot');
